"""The certificate is sound: attacked by search in code and in class; and it says what the theory says, by hand."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsecode.certificate import SparseCodeCertificate, decoded
from frontdef_sparsecode.config import GRAY
from frontdef_sparsecode.decoder import Decoder
from frontdef_sparsecode.stability import Reach, reachable

from frontdef import ThreatModel
from frontdef.attacks.native.pgd import pgd
from frontdef.registry import get_dataset

CERTIFICATE = SparseCodeCertificate()


def one_patch(make, atoms, **config):
    front_end = make(shape=(1, 1, 2), patch=1, stride=1, atoms=1, top=1, widths=(1, 1))
    n = len(atoms)
    front_end = make(shape=(1, 2, 2), patch=2, stride=2, atoms=n, widths=(1, 1), **config)
    front_end.use_dictionary(torch.tensor(atoms).view(n, 1, 2, 2))
    return front_end


PIXELS = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]]


def code(front_end, pixels, eps):
    reach = reachable(front_end, torch.tensor(pixels).view(1, 1, 2, 2), eps)
    return list(zip(reach.low[0, 0].tolist(), reach.high[0, 0].tolist(), strict=True))


def test_by_hand_thresholds(make):
    """Threshold 0.3, every atom one pixel: 0.5 ± 0.1 stays above, 0.35 ± 0.1 may fall, 0.1 ± 0.1 stays below."""
    front_end = one_patch(make, PIXELS, top=3, eps=0.1, beta=3.0)
    assert code(front_end, [0.5, 0.35, 0.1, 0.0], 0.1) == [(1, 1), (0, 1), (0, 0)]


def test_by_hand_the_top_set(make):
    """T = 1, threshold 0.2: pixels 0.6 and 0.5 change places within 0.06, not within 0.04; 0.3 never gets there."""
    front_end = one_patch(make, PIXELS, top=1, eps=0.1, beta=2.0)
    assert code(front_end, [0.6, 0.5, 0.3, 0.0], 0.04) == [(1, 1), (0, 0), (0, 0)]
    assert code(front_end, [0.6, 0.5, 0.3, 0.0], 0.06) == [(0, 1), (0, 1), (0, 0)]


def test_by_hand_silent_coefficients_may_change_places(make):
    """T = 1: 0.15 and 0.14 change places, but both stay below the threshold of 0.2: the code is 0 throughout."""
    front_end = one_patch(make, PIXELS, top=1, eps=0.1, beta=2.0)
    assert code(front_end, [0.15, 0.14, 0.0, 0.0], 0.04) == [(0, 0)] * 3


def test_by_hand_a_silent_one_can_keep_an_active_one_out(make):
    """Thresholds grow with ‖d‖₁: d₁ = (½,½,½,½) has ‖d₁‖₁ = 2 and the threshold 0.8, d₂ a pixel and 0.4.

    At x = (0.5, 0.3, 0.3, 0.3) c₁ = 0.7 is the largest and silent, c₂ = 0.5 would be active but is not among the top 1.
    Pixel by pixel by 0.1: c₁ ≥ 0.5, c₂ ≤ 0.6. The pair: c₂ − c₁ = −0.2, and ‖d₂ − d₁‖₁ = 2, so at 0.1 they meet.
    """
    front_end = one_patch(make, [[0.5, 0.5, 0.5, 0.5], [1.0, 0, 0, 0]], top=1, eps=0.1, beta=4.0)
    assert code(front_end, [0.5, 0.3, 0.3, 0.3], 0.03) == [(0, 0), (0, 0)]
    assert code(front_end, [0.5, 0.3, 0.3, 0.3], 0.11) == [(0, 2), (0, 1)]


def test_by_hand_atoms_that_move_together(make):
    """d₁ = (0.8, 0.6, 0, 0), d₂ = (0.6, 0.8, 0, 0), x = (0.9, 0.5): c = (1.02, 0.94), T = 1.

    At ε = 0.15 the intervals overlap by far (1.02 − 0.21 < 0.94 + 0.21), but the difference moves by 0.4·0.15 < 0.08.
    """
    front_end = one_patch(make, [[0.8, 0.6, 0, 0], [0.6, 0.8, 0, 0]], top=1, eps=0.1, beta=1.0)
    assert code(front_end, [0.9, 0.5, 0.0, 0.0], 0.15) == [(pytest.approx(1.4),) * 2, (0, 0)]
    assert code(front_end, [0.9, 0.5, 0.0, 0.0], 0.25) == [(0, pytest.approx(1.4)), (0, pytest.approx(1.4))]


@pytest.mark.parametrize("signed", [True, False])
def test_signs(make, signed):
    """A coefficient that reaches both thresholds may have either sign; unsigned codes have none."""
    front_end = one_patch(make, [[0.5**0.5, -(0.5**0.5), 0, 0]], top=1, eps=0.05, beta=1.0, signed=signed)
    norm = pytest.approx(2**0.5)
    assert code(front_end, [0.5, 0.5, 0, 0], 0.2) == [(pytest.approx(-(2**0.5)) if signed else 0, norm)]
    assert (
        code(front_end, [0.2, 0.9, 0, 0], 0.01) == [(norm if not signed else pytest.approx(-(2**0.5)),) * 2] or signed
    )


@pytest.mark.parametrize(
    ("shape", "config"),
    [
        ((1, 8, 8), {"atoms": 24, "top": 3, "beta": 1.0}),
        ((1, 8, 8), {"atoms": 24, "top": 24, "beta": 3.0}),
        ((3, 6, 6), {"atoms": 30, "top": 1, "beta": 1.5}),
        ((1, 8, 8), {"atoms": 24, "top": 6, "beta": 0.5, "signed": False}),
    ],
    ids=str,
)
def test_no_search_leaves_the_bounds(make, images, shape, config):
    """Random corners, interior points and the worst direction of every atom, alone and against every other."""
    front_end = make(shape=shape, eps=0.1, widths=(2, 2), **config)
    generator = torch.Generator().manual_seed(0)
    moved = 0
    for eps in (0.002, 0.02, 0.1):
        x = images(6, *shape)
        reach = reachable(front_end, x, eps)
        signs = torch.randint(0, 2, (100, *x.shape), generator=generator) * 2.0 - 1
        scale = torch.rand(100, 1, 1, 1, 1, generator=generator).round(decimals=0).clamp_min(0.3)
        directions = torch.cat([signs * scale, worst_directions(front_end, shape)[:, None].expand(-1, *x.shape)])
        for direction in directions:
            attacked = (x + eps * direction).clamp(0, 1)
            codes = front_end.encode(attacked).flatten(2).mT
            assert (codes >= reach.low).all()
            assert (codes <= reach.high).all()
            moved += int((codes != front_end.encode(x).flatten(2).mT).any())
    assert moved > 100, "the search must be able to change codes"


def worst_directions(front_end, shape):
    """Signs of d_k and of d_k ± d_l, laid on the first patch and on every other one that does not overlap it."""
    atoms = front_end.atoms
    pairs = torch.cat([atoms, atoms[1:] - atoms[:-1], atoms[1:] + atoms[:-1], atoms[2:] - atoms[:-2]])
    side = atoms.shape[-1]
    tiled = pairs.repeat(1, 1, -(-shape[1] // side), -(-shape[2] // side))[:, :, : shape[1], : shape[2]]
    return torch.cat([tiled, -tiled]).sign()


def test_within_the_bounds_something_is_left_to_prove(make, images):
    """A certificate that certifies nothing is sound, too: at a small radius most patches are constant, at 0.1 few."""
    front_end = make(shape=(1, 8, 8), atoms=24, top=3, beta=1.0, eps=0.1)
    shares = [reachable(front_end, images(20, 1, 8, 8), eps).constant.float().mean().item() for eps in (1e-4, 0.1)]
    assert shares[0] > 0.9
    assert shares[1] < 0.5


def test_the_decoders_bounds_hold():
    decoder, generator = Decoder(GRAY, (1, 28, 28)), torch.Generator().manual_seed(0)
    sparse = torch.rand(3, 160, 13, 13, generator=generator) < 0.05
    middle, width = (torch.randn(sparse.shape, generator=generator) * sparse for _ in range(2))
    width = width.abs()
    box, narrow = (decoded(decoder, Reach(middle - w, middle + w)) for w in (width, 0 * width))
    with torch.no_grad():
        exact = decoder(middle)
        for _ in range(20):
            corner = torch.rand(middle.shape, generator=generator).round() * 2 - 1
            output = decoder(middle + width * corner)
            assert (output >= box.low).all()
            assert (output <= box.high).all()
    assert (narrow.low <= exact).all()
    assert (exact <= narrow.high).all()
    assert (narrow.high - narrow.low).max() < 1e-2


def test_certified_samples_stand_and_others_fall(trained, digits):
    """PGD with two surrogates and random corners break nothing that is certified, and break something that is not."""
    protected = trained()
    x, y = digits.test.images[:30], digits.test.labels[:30]
    certified_once = 0
    for eps in (2e-4, 0.003):
        certified = CERTIFICATE.certify(protected, x, y, ThreatModel("linf", eps))
        certified_once += int(certified.sum())
        assert (protected.predict(x).argmax(1) == y)[certified].all()
        for surrogate in ("smooth-top-2t", "autoencoder"):
            with protected.surrogate(surrogate):
                attacked = pgd(
                    protected, x, y, threat=ThreatModel("linf", eps), steps=5, step_size=eps / 2, random_start=True
                )
            assert (protected.predict(attacked).argmax(1) == y)[certified].all()
        for seed in range(3):
            signs = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
            assert (protected.predict((x + eps * signs).clamp(0, 1)).argmax(1) == y)[certified].all()
    assert certified_once > 0


def test_bounds_prove_more_than_constant_codes(trained, digits):
    protected = trained()
    x, y = digits.test.images[:20], digits.test.labels[:20]
    constant = reachable(protected.front_end, x, 2e-4).constant.all(1)
    assert CERTIFICATE.certify(protected, x, y, ThreatModel("linf", 2e-4)).sum() > constant.sum()


def test_nothing_for_other_norms_or_behind_dropout(trained, digits):
    x, y = digits.test.images[:4], digits.test.labels[:4]
    assert not CERTIFICATE.certify(trained(), x, y, ThreatModel("l2", 1e-6)).any()
    assert not CERTIFICATE.certify(trained(True), x, y, ThreatModel("linf", 1e-6)).any()


@pytest.mark.slow
def test_two_thousand_certified_samples_stand(trained):
    protected, data = trained(), get_dataset("digits").load("test")
    x, y = data.images, data.labels
    certified_in_all = 0
    for eps in (1e-5, 3e-5, 1e-4, 1.5e-4, 2e-4, 3e-4, 4e-4):
        threat = ThreatModel("linf", eps)
        certified = CERTIFICATE.certify(protected, x, y, threat)
        certified_in_all += int(certified.sum())
        for surrogate in ("smooth", "smooth-all", "autoencoder"):
            with protected.surrogate(surrogate):
                attacked = pgd(protected, x, y, threat=threat, steps=5, step_size=eps / 2, random_start=True)
            assert (protected.predict(attacked).argmax(1) == y)[certified].all()
    assert certified_in_all >= 2000
