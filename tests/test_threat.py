"""Threat models: distances worked out by hand, one tolerance, fractions read and printed."""

from __future__ import annotations

import pytest
import torch

from frontdef.errors import ConfigError, UnknownNameError
from frontdef.threat import NORMS, ThreatModel, distance, format_eps, parse_eps

X = torch.full((2, 1, 2, 2), 0.5)
DELTA = torch.tensor([[0.3, -0.4, 0.0, 0.0], [0.1, 0.1, 0.1, -0.1]]).view(2, 1, 2, 2)


@pytest.mark.parametrize(
    ("norm", "expected"), [("linf", [0.4, 0.1]), ("l2", [0.5, 0.2]), ("l1", [0.7, 0.4]), ("l0", [2, 4])]
)
def test_distances_by_hand(norm, expected):
    assert distance(X, X + DELTA, norm).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_identity_is_at_distance_zero(norm):
    assert distance(X, X, norm).tolist() == [0, 0]


def test_contains_allows_one_tolerance_and_no_more():
    threat = ThreatModel("linf", 0.1)
    assert threat.contains(X, X + 0.1 + 5e-7).all()
    assert not threat.contains(X, X + 0.1 + 5e-6).any()


def test_contains_demands_the_box_and_finite_values():
    threat = ThreatModel("linf", 1.0)
    assert not threat.contains(X, X + 0.51).any()
    assert not threat.contains(X, torch.full_like(X, torch.nan)).any()


@pytest.mark.parametrize(
    ("written", "value", "printed"),
    [
        ("8/255", 8 / 255, "8/255"),
        (0.3, 0.3, "0.3"),
        ("1/2", 0.5, "0.5"),
        (1.5, 1.5, "1.5"),
        (0.2, 0.2, "0.2"),
        (1, 1, "1"),
    ],
)
def test_eps_is_read_and_printed(written, value, printed):
    assert parse_eps(written) == pytest.approx(value)
    assert format_eps(parse_eps(written)) == printed


@pytest.mark.parametrize("eps", [0, -0.1, float("nan"), float("inf")])
def test_eps_must_be_positive_and_finite(eps):
    with pytest.raises(ConfigError, match="positive finite"):
        ThreatModel("linf", eps)


def test_eps_in_grey_levels_is_caught():
    with pytest.raises(ConfigError, match="Did you mean '8/255'"):
        ThreatModel("linf", 8)


def test_unknown_norm_and_unreadable_eps():
    with pytest.raises(UnknownNameError, match="Did you mean 'linf'"):
        ThreatModel("inf", 0.1)
    with pytest.raises(ConfigError, match="8/255"):
        parse_eps("eight")
