"""The encoder is what the equations say, against a reference that goes patch by patch, and against numbers by hand."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsecode.encoder import activate, largest, project, soft_activate
from torch.nn import functional as F


@pytest.mark.parametrize(
    ("shape", "config"),
    [
        ((1, 10, 12), {"atoms": 20, "top": 3}),
        ((3, 9, 8), {"atoms": 30, "top": 5, "patch": 3, "stride": 2}),
        ((3, 8, 8), {"atoms": 30, "top": 30, "signed": False}),
        ((1, 8, 8), {"atoms": 12, "top": 1, "eps": 0.1, "beta": 1.5}),
    ],
    ids=str,
)
def test_the_code_is_the_references(make, images, reference, shape, config):
    front_end = make(shape=shape, **config)
    x = images(3, *shape)
    x[0, :, : shape[1] // 2] = 0  # blank patches: all coefficients are tied at 0
    code = front_end.encode(x)
    for image, own in zip(x.numpy(), code, strict=True):
        expected = reference.encode(image, front_end.atoms.numpy(), front_end.config, config["top"])
        torch.testing.assert_close(own, torch.from_numpy(expected), rtol=1e-6, atol=0)
    assert (code != 0).any()


def test_the_projection_is_a_convolution_with_the_atoms(images):
    x, atoms = images(4, 3, 11, 8), torch.randn(7, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = F.conv2d(x.double(), atoms.double(), stride=2).flatten(2).mT
    torch.testing.assert_close(project(x, atoms, 2).double(), expected, rtol=1e-6, atol=1e-6)


def test_largest_descends_and_ties_go_to_the_lower_index():
    values = torch.tensor([[[1.0, -3.0, 3.0, 0.0, -0.0, 2.0, -3.0]]])
    assert largest(values, 7).tolist() == [[[1, 2, 6, 5, 0, 3, 4]]]
    assert largest(values, 2).tolist() == [[[1, 2]]]
    assert largest(torch.zeros(1, 1, 5), 3).tolist() == [[[0, 1, 2]]]


def test_largest_tells_neighboring_floats_apart():
    unit = torch.tensor(1.0)
    values = torch.stack([unit, torch.nextafter(unit, torch.tensor(2.0)), unit])[None, None]
    assert largest(values, 3).tolist() == [[[1, 0, 2]]]


def test_activation_by_hand():
    """β·ε = 0.25 and ‖d‖₁ = 4: the threshold is 1, and a coefficient on it counts (≥ in eq. 4.6)."""
    values, norms = torch.tensor([1.0, -1.0, 0.99, -2.0, 0.0]), torch.full((5,), 4.0)
    assert activate(values, norms, 0.25, signed=True).tolist() == [4, -4, 0, -4, 0]
    assert activate(values, norms, 0.25, signed=False).tolist() == [4, 4, 0, 4, 0]


def test_smooth_activation_by_hand():
    """s = 4, j = 0.25, v = 1, ‖d‖₁ = 4, so y = 0.25: ½·4·(tanh 0 + tanh 2) = 2·0.9640276; slope ½·4·(1 + 0.0706508)."""
    values, norms = torch.tensor([1.0, -1.0]).requires_grad_(), torch.full((2,), 4.0)
    soft = soft_activate(values, norms, 0.25, True, 4.0)
    torch.testing.assert_close(soft, torch.tensor([1.9280552, -1.9280552]))
    (slope,) = torch.autograd.grad(soft.sum(), values)
    torch.testing.assert_close(slope, torch.tensor([2.1413016, 2.1413016]))
    (slope,) = torch.autograd.grad(soft_activate(values, norms, 0.25, False, 4.0).sum(), values)
    torch.testing.assert_close(slope, torch.tensor([2.1413016, -2.1413016]))


def test_dropout_keeps_a_share_of_the_kept_and_nothing_else(make, images):
    """Of 6·64 patches with 10 active coefficients each, 25 % survive: 1,920 of 7,680 ± 5 standard errors of 38."""
    config = {"atoms": 40, "top": 20, "beta": 0.01}
    fixed, front_end = make(shape=(3, 18, 18), **config), make(True, (3, 18, 18), dropout=0.75, **config)
    x = images(6, 3, 18, 18)
    full, code = fixed.encode(x), front_end.encode(x)
    kept = code != 0
    assert torch.equal(code[kept], full[kept])
    n = int((full != 0).sum())
    assert n == 6 * 64 * 20
    assert abs(int(kept.sum()) - n / 4) < 5 * (n * 0.25 * 0.75) ** 0.5


def test_every_call_draws_anew_and_a_seed_repeats_it(make, images):
    front_end, x = make(True, atoms=64, top=16, dropout=0.5), images(2, 1, 28, 28)
    state = torch.get_rng_state()
    front_end.reseed(3)
    first, second = front_end.encode(x), front_end.encode(x)
    front_end.reseed(3)
    assert torch.equal(front_end.encode(x), first)
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    front_end.train()
    assert not torch.equal(front_end.encode(x), front_end.encode(x))


def test_dropping_nothing_is_the_fixed_encoder(make, images):
    x = images(2, 1, 28, 28)
    config = {"atoms": 64, "top": 9}
    assert torch.equal(make(True, dropout=1e-12, **config).encode(x), make(**config).encode(x))


def test_a_batch_is_its_samples(make, images):
    front_end = make(shape=(3, 32, 32), atoms=100, top=15, widths=(8, 4))
    x = torch.cat([images(20, 3, 32, 32), torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), 0.3)])
    code = front_end.encode(x)
    assert torch.equal(front_end.encode(x.flip(0)).flip(0), code)
    assert torch.equal(torch.cat([front_end.encode(sample) for sample in x.split(1)]), code)


def test_a_nonzero_sign_cannot_flip(make, images):
    """From ≥ βε‖d‖₁ to ≤ −βε‖d‖₁ is a way of 2βε‖d‖₁, and the attack has ε‖d‖₁: β > ½ is enough, here β = 0.6.

    The perturbation is the worst one for the strongest coefficient of a patch; at 2.5 times the radius it does flip.
    """
    front_end = make(shape=(1, 4, 4), atoms=30, top=30, eps=0.2, beta=0.6)
    sign = front_end.atoms.sign()
    for scale, flips in ((1.0, False), (2.5, True)):
        flipped = False
        for start in (0.0, 0.5, 1.0):
            x = (0.5 + (start - 0.5) * sign).clamp(0.3, 0.7)
            for direction in (1, -1):
                attacked = x + direction * 0.2 * scale * sign
                before, after = front_end.encode(x), front_end.encode(attacked)
                flipped |= bool((before * after < 0).any())
        assert flipped == flips
