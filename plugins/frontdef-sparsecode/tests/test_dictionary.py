"""The dictionary: unit atoms, reproducible, from patches of the grid, and the same for both decoders."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsecode.config import GRAY, FixedSparseCodeConfig
from frontdef_sparsecode.dictionary import draw_patches, learn_dictionary

from frontdef.errors import ConfigError

QUICK = FixedSparseCodeConfig(atoms=40, iterations=40, top=8).settings((1, 28, 28))


@pytest.fixture(scope="module")
def learned(digits):
    return learn_dictionary(digits.train.images, QUICK, seed=0)


def test_atoms_have_unit_norm(learned):
    assert learned.shape == (40, 1, 4, 4)
    torch.testing.assert_close(learned.flatten(1).norm(dim=1), torch.ones(40), rtol=0, atol=1e-6)


def test_the_same_seed_gives_the_same_dictionary(learned, digits):
    state = torch.get_rng_state()
    assert torch.equal(learn_dictionary(digits.train.images, QUICK, seed=0), learned)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(learn_dictionary(digits.train.images, QUICK, seed=1), learned)


def test_it_explains_patches_better_than_random_atoms(learned, digits):
    """Eq. 4.4's objective with the best single atom a patch: ½‖x‖² − ½(|⟨d,x⟩| − λ)₊², a lower one is better."""
    patches = draw_patches(digits.test.images, QUICK, 500, seed=5).flatten(1)
    random = torch.randn(learned.shape, generator=torch.Generator().manual_seed(0)).flatten(1)
    random /= random.norm(dim=1, keepdim=True)

    def left(atoms):
        best = (patches @ atoms.mT).abs().amax(1)
        return (patches.square().sum(1) - (best - QUICK.lam).clamp_min(0).square()).mean() / 2

    assert left(learned.flatten(1)) < 0.7 * left(random)


def test_both_decoders_and_both_encoders_share_it(make, digits):
    quick = {"atoms": 40, "iterations": 10, "top": 8}
    variants = [
        make(False, **quick),
        make(False, decoder="unsupervised", **quick),
        make(True, widths=(9, 9), beta=1.5, **quick),
    ]
    for front_end in variants:
        front_end.reseed(4)
        front_end.generator(torch.device("cpu"))
        front_end.fit(digits.train.images)
    assert torch.equal(variants[0].atoms, variants[1].atoms)
    assert torch.equal(variants[0].atoms, variants[2].atoms)


def test_patches_are_of_the_grid_and_never_faint():
    """Pixels number themselves, so a patch tells where it was."""
    x = torch.arange(2 * 64.0).view(2, 1, 8, 8)
    patches = draw_patches(x, QUICK, 400, seed=0)
    corners = patches[:, 0, 0, 0].long()
    assert torch.equal(patches[:, 0], corners[:, None, None] + torch.arange(4)[:, None] * 8 + torch.arange(4))
    starts = {(row * 8 + column) for row in (0, 2, 4) for column in (0, 2, 4)}
    assert {int(corner) % 64 for corner in corners} == starts
    half = torch.cat([torch.zeros(1, 1, 8, 4), torch.ones(1, 1, 8, 4)], dim=-1)
    assert (draw_patches(half, QUICK, 50, seed=0).flatten(1).norm(dim=1) > QUICK.lam).all()


def test_blank_images_teach_nothing():
    with pytest.raises(ConfigError, match=r"0 have an ℓ2 norm above lam = 0\.5.* lower lam"):
        learn_dictionary(torch.zeros(4, 1, 28, 28), GRAY, seed=0)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (torch.ones(64, 1, 5, 5) / 5, r"is \(64, 1, 5, 5\).*patches of 4x4 needs \(64, 1, 4, 4\)"),
        (torch.ones(50, 1, 4, 4) / 4, r"needs \(64, 1, 4, 4\): set patch and atoms"),
        (torch.ones(64, 1, 4, 4), "ℓ2 norm 1.* these 4…4: divide"),
        (torch.full((64, 1, 4, 4), torch.nan), "nan"),
    ],
    ids=["patch", "atoms", "norm", "nan"],
)
def test_a_foreign_dictionary_is_checked(make, atoms, message):
    with pytest.raises(ConfigError, match=message):
        make(atoms=64, top=8).use_dictionary(atoms)


def test_a_foreign_dictionary_is_used(make, images):
    front_end = make(atoms=16, top=1)
    pixels = torch.eye(16).view(16, 1, 4, 4)
    front_end.use_dictionary(pixels)
    x = images(1, 1, 28, 28)
    code = front_end.encode(x)
    brightest = x.unfold(2, 4, 2).unfold(3, 4, 2).flatten(4).argmax(-1)[0, 0]
    assert torch.equal(code.argmax(1)[0], brightest)
    assert set(code.unique().tolist()) == {0.0, 1.0}
