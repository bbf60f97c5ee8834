"""What is certified: worked out by hand, contained in one another, sound at the tolerance, and attacked."""

from __future__ import annotations

import itertools

import pytest
import torch
from frontdef_polarize.certificate import PropositionOne, ReachableCodes
from torch import nn

from frontdef import bounds
from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries, get_defense, get_family
from frontdef.threat import TOLERANCE, ThreatModel

W = [[[[1.0, -3.0], [0.0, 0.0]]]]
"""‖w‖₁ = 4, ‖w‖₂ = √10, ‖w‖_∞ = 3."""


def linf(eps):
    return ThreatModel("linf", eps)


def classifier(weights):
    layer = nn.Linear(len(weights[0]), len(weights), bias=False)
    layer.weight.data = torch.tensor(weights)
    return nn.Sequential(nn.Flatten(), layer)


@pytest.fixture
def two_by_two(make):
    return make(W, image_shape=(1, 2, 2))


def one_image(a, b):
    return torch.tensor([[[[a, b], [0.5, 0.5]]]])


@pytest.mark.parametrize(
    ("norm", "eps", "reach"),
    [("linf", 0.1, 0.1), ("l2", 0.08, 0.08 * 10**0.5 / 4), ("l1", 0.08, 0.08 * 3 / 4)],
)
def test_reach_by_hoelder(two_by_two, norm, eps, reach):
    """At z = (0.5 − 3·0.5)/4 = −0.25, away from black and white."""
    box = two_by_two.reachable(one_image(0.5, 0.5), ThreatModel(norm, eps))
    assert [box.low.item(), box.high.item()] == pytest.approx([-0.25 - reach, -0.25 + reach], abs=1e-5)


def test_reach_stops_at_black_and_white(two_by_two):
    """x = (0.95, 0.02), ε = 0.1: x₁ in [0.85, 1], x₂ in [0, 0.12], so z in [(0.85 − 0.36)/4, 1/4]."""
    box = two_by_two.reachable(one_image(0.95, 0.02), linf(0.1))
    assert [box.low.item(), box.high.item()] == pytest.approx([0.49 / 4, 0.25], abs=1e-5)


def test_reach_of_pixels(make):
    box = make(source="pixels", image_shape=(1, 1, 2)).reachable(torch.tensor([[[[0.05, 0.6]]]]), linf(0.1))
    assert box.low.flatten().tolist() == pytest.approx([0, 0.5], abs=1e-5)
    assert box.high.flatten().tolist() == pytest.approx([0.15, 0.7], abs=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_no_perturbation_exceeds_the_reach(make, images, norm):
    front_end, x = make(thresholds=(-0.1, 0.1)), images(4, 1, 28, 28)
    eps = {"linf": 0.1, "l2": 0.5, "l1": 2.0}[norm]
    box = front_end.reachable(x, ThreatModel(norm, eps))
    signs = front_end.filters.sign()
    for k, sign in itertools.product(range(0, 25, 6), (1, -1)):
        e = torch.zeros_like(x)  # aimed at the filter's output at one place
        w = front_end.filters[k, 0]
        best = {
            "linf": eps * signs[k, 0],
            "l2": eps * w / w.norm(),
            "l1": eps * signs[k, 0] * (w.abs() == w.abs().max()),
        }[norm]
        e[:, 0, 10:15, 7:12] = sign * best
        moved = front_end.activations((x + e).clamp(0, 1).double())
        assert ((moved >= box.low) & (moved <= box.high)).all()
        free = front_end.activations(x.double() + e.double())[:, k, 12, 9]  # without the range of pixels
        farthest = (
            front_end.activations(x.double())[:, k, 12, 9]
            + sign
            * eps
            * {"linf": 1.0, "l2": (w.norm() / w.abs().sum()).item(), "l1": (w.abs().max() / w.abs().sum()).item()}[norm]
        )
        torch.testing.assert_close(free, farthest, rtol=0, atol=1e-6)  # the attack is the strongest one


def test_proposition_one_by_hand(make):
    """Pixels at 0.1 and 0.8 with the threshold 0.5: safe below ε = 0.3, not at 0.3."""
    front_end = make(source="pixels", thresholds=(0.5,), image_shape=(1, 1, 2))
    protected = Protected(front_end, classifier([[-1.0, 1.0], [1.0, -1.0]]))
    x, y = torch.tensor([[[[0.1, 0.8]]]]), torch.tensor([0])
    assert PropositionOne().certify(protected, x, y, linf(0.29)).tolist() == [True]
    assert PropositionOne().certify(protected, x, y, linf(0.3)).tolist() == [False]
    assert PropositionOne().certify(protected, x, 1 - y, linf(0.29)).tolist() == [False]


def test_the_separation_of_centers_is_not_enough(make):
    """The proposition as worded: centers at 0 and 1, c = 0.5 between them. Yet a point at 0.45 flips with 0.06."""
    front_end = make(source="pixels", thresholds=(0.5,), image_shape=(1, 1, 2))
    protected = Protected(front_end, classifier([[-1.0, 1.0], [1.0, -1.0]]))
    x, y = torch.tensor([[[[0.45, 0.95]]]]), torch.tensor([0])
    assert not PropositionOne().certify(protected, x, y, linf(0.06)).item()
    assert PropositionOne().certify(protected, x, y, linf(0.04)).item()


def test_reachable_codes_by_hand(make):
    """Only the second pixel can flip, and the first one decides: logits ±(2a + b) for a = −½, b = ±½."""
    front_end = make(source="pixels", thresholds=(0.5,), image_shape=(1, 1, 2))
    x, y = torch.tensor([[[[0.1, 0.55]]]]), torch.tensor([0])
    decided = Protected(front_end, classifier([[-2.0, -1.0], [2.0, 1.0]]))
    assert not PropositionOne().certify(decided, x, y, linf(0.1)).item()
    assert ReachableCodes().certify(decided, x, y, linf(0.1)).item()
    tied = Protected(front_end, classifier([[-1.0, -1.0], [1.0, 1.0]]))  # 0 where b = ½
    assert not ReachableCodes().certify(tied, x, y, linf(0.1)).item()
    assert not ReachableCodes().certify(decided, x, y, linf(0.4)).item()


def test_examples_may_exceed_the_threat_model_by_the_tolerance(make):
    """Half a tolerance beyond the threshold counts as reached, although ε alone does not reach it."""
    front_end = make(source="pixels", thresholds=(0.5,), image_shape=(1, 1, 2))
    protected = Protected(front_end, classifier([[-1.0, 1.0], [1.0, -1.0]]))
    x = torch.tensor([[[[0.1, 0.5 + 0.25 + TOLERANCE / 2]]]])
    assert not PropositionOne().certify(protected, x, torch.tensor([0]), linf(0.25)).item()


@pytest.mark.parametrize("norm", ["l0", "spatial"])
def test_other_norms_are_not_covered(two_by_two, norm):
    protected = Protected(two_by_two, classifier([[1.0], [-1.0]]))
    proved = ReachableCodes().certify(protected, one_image(1.0, 0.0), torch.tensor([0]), ThreatModel(norm, 1))
    assert proved.tolist() == [False]


def test_every_code_that_is_reached_is_in_the_set(trained, digits):
    protected, _ = trained("filters")
    front_end, x = protected.front_end, digits.images[:20]
    box = front_end.reachable(x, linf(0.1))
    low, high = front_end.codes(box.low), front_end.codes(box.high)
    assert (low < high).any()
    generator = torch.Generator().manual_seed(0)
    for draw in range(20):
        e = 0.1 * (2 * torch.rand(x.shape, generator=generator) - 1)
        code = front_end((x + (e.sign() * 0.1 if draw % 2 else e)).clamp(0, 1))
        assert ((low <= code) & (code <= high)).all()


@pytest.mark.parametrize("source", ["filters", "pixels"])
def test_certificates_contain_one_another_and_shrink(trained, digits, source):
    protected, _ = trained(source)
    x, y = digits.images, digits.labels
    right = protected.predict(x).argmax(1) == y
    sizes = []
    for eps in (0.001, 0.01, 0.03, 0.1):
        sure = PropositionOne().certify(protected, x, y, linf(eps))
        reachable = ReachableCodes().certify(protected, x, y, linf(eps))
        assert not (sure & ~reachable).any()
        assert not (reachable & ~right).any()
        assert not ReachableCodes().certify(protected, x, (y + 1) % 10, linf(eps))[right].any()
        sizes.append(reachable)
        for norm in ("l2", "l1"):  # a smaller set of perturbations
            assert not (sure & ~PropositionOne().certify(protected, x, y, ThreatModel(norm, eps))).any()
    assert sizes[1].sum() > 10  # or nothing was compared
    assert sizes[1].sum() > sizes[3].sum()
    for wider, narrower in itertools.pairwise(sizes):
        assert not (narrower & ~wider).any()


@pytest.mark.parametrize("source", ["filters", "pixels"])
def test_certified_samples_withstand_attacks(trained, digits, source):
    protected, _ = trained(source)
    library = get_attack_libraries()["native"]
    for eps in (0.01, 0.03):
        proved = ReachableCodes().certify(protected, digits.images, digits.labels, linf(eps))
        x, y = digits.images[proved][:20], digits.labels[proved][:20]
        assert len(x) > 5
        for surrogate in ("identity", "smooth", "linear"):
            spec = make_spec(get_family("pgd"), "linf", eps, {"steps": 10, "relative_step": 0.2, "random_start": True})
            with protected.surrogate(surrogate), isolated(protected, 0):
                examples = library.run(spec, protected, x, y)
            assert torch.equal(protected.predict(examples.clamp(0, 1)).argmax(1), y)


def test_behind_a_classifier_without_bounds_it_is_proposition_one(make):
    front_end = make(source="pixels", thresholds=(0.5,), image_shape=(1, 1, 2))
    softmax = nn.Sequential(classifier([[-2.0, -1.0], [2.0, 1.0]]), nn.Softmax(1))
    assert not bounds.supports(softmax)
    protected, y = Protected(front_end, softmax), torch.tensor([0])
    assert not ReachableCodes().certify(protected, torch.tensor([[[[0.1, 0.55]]]]), y, linf(0.1)).item()
    assert ReachableCodes().certify(protected, torch.tensor([[[[0.1, 0.9]]]]), y, linf(0.1)).item()


def test_a_lead_within_rounding_proves_nothing(make):
    """Equal codes are classified equally, but not always in the same order of summation."""
    front_end = make(source="pixels", thresholds=(0.5,), image_shape=(1, 1, 2))
    x, y = torch.tensor([[[[0.1, 0.9]]]]), torch.tensor([0])
    for lead, rigorous in ((1e-3, True), (1e-5, True), (1e-7, False)):
        protected = Protected(front_end, classifier([[-1.0, lead], [-1.0, 0.0]]))
        assert PropositionOne().certify(protected, x, y, linf(0.1)).item() == (lead > 1e-4)
        assert ReachableCodes().certify(protected, x, y, linf(0.1)).item() == rigorous


def test_the_record_offers_the_sharper_one():
    assert isinstance(get_defense("polarize").load_certificate(), ReachableCodes)
