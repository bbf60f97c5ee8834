"""Equation 4 in the quantizer's place: its values, its surrogates, its training and its certificate."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize.certificate import ReachableCodes
from frontdef_polarize.recipes import recipe
from torch import nn

from frontdef.errors import ConfigError
from frontdef.protected import Protected
from frontdef.registry import get_defense
from frontdef.threat import ThreatModel

ZONE = {"activation": "dead-zone", "thresholds": (-0.3, 0.3)}


def test_equation_4_by_hand(make):
    """f(a) = 0 for |a| ≤ ε‖w‖₁, and a otherwise, in units of ‖w‖₁; the edge is inside."""
    z = torch.tensor([-1.0, -0.31, -0.3, -0.1, 0.0, 0.29, 0.3, 0.5], dtype=torch.float64)
    codes = make(source="pixels", **ZONE).codes(z)
    assert codes.tolist() == pytest.approx([-1, -0.31, 0, 0, 0, 0, 0, 0.5])


def test_what_it_lets_through_is_what_the_quantizer_does_not_zero(make, images):
    x, weights = images(3, 1, 28, 28), torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    kept = make(weights, **ZONE)(x)
    assert torch.equal(kept.sign(), make(weights, thresholds=(-0.3, 0.3))(x))
    z = make(weights).activations(x.double()).float()
    assert torch.equal(kept[kept != 0], z[kept != 0])


@pytest.mark.parametrize("surrogate", ["smooth:200", "linear:200"])
def test_steep_surrogates_have_the_true_derivative_away_from_the_edge(make, surrogate):
    front_end = make(source="pixels", surrogate=surrogate, image_shape=(1, 1, 4), **ZONE)
    x = torch.tensor([[[[0.1, 0.25, 0.4, 0.9]]]], requires_grad=True)
    front_end(x).sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx([0, 0, 1, 1], abs=1e-6)


def test_the_surrogate_changes_no_value(make, images):
    x = images(3, 1, 28, 28)
    values = [make(source="pixels", surrogate=name, **ZONE)(x) for name in ("identity", "smooth", "linear")]
    assert all(torch.equal(values[0], each) for each in values)


def test_no_example_leaves_what_is_certified(make, images):
    """The activation does not decrease, so the codes of the ends of an interval bound those within."""
    torch.manual_seed(0)
    x, weights = images(64, 1, 28, 28), torch.randn(4, 1, 5, 5)
    front_end = make(weights, **ZONE)
    protected = Protected(front_end, nn.Sequential(nn.Flatten(), nn.Linear(4 * 24 * 24, 10)).eval())
    y = protected.predict(x).argmax(1)
    proved = ReachableCodes().certify(protected, x, y, ThreatModel("linf", 1e-4))
    assert proved.any()
    for _ in range(8):
        corner = (x + 1e-4 * torch.randn_like(x).sign()).clamp(0, 1)
        assert (protected.predict(corner).argmax(1) == y)[proved].all()


def test_it_is_trained_in_one_stage(make):
    config = make(epochs=3, **ZONE).config
    (stage,) = recipe(config, "mnist")
    assert (stage.epochs, stage.trains, stage.penalty, stage.mode) == (3, "all", "", "")
    assert make(**ZONE).state_dict()["history"].shape[0] == 2


@pytest.mark.parametrize(
    ("config", "message"),
    [({"thresholds": (-0.2, 0.3)}, "between -c and c"), ({"thresholds": (0.3,)}, "between -c and c"),
     ({"clusters": (3,)}, "one stage")],
)  # fmt: skip
def test_what_is_no_dead_zone(config, message):
    with pytest.raises(ConfigError, match=message):
        get_defense("polarize").configure({"activation": "dead-zone", **config})
