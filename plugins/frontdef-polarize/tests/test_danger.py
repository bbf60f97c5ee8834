"""The metric: shares by hand, NaN where there is nothing to quantize."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize.danger import ZoneConfig, measure
from torch import nn

from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.protected import Protected


def measured(front_end, x, eps):
    return measure(Protected(front_end, nn.Flatten()), x, torch.zeros(len(x)), ZoneConfig(eps=eps), 0)


def test_shares_by_hand(make):
    """Thresholds ±0.5: within 0.1 of one lie 0.45 and 0.6 of the first image, none of the second."""
    x = torch.tensor([[[[0.0, 0.45], [0.6, 1.0]]], [[[0.0, 0.3], [0.7, 1.0]]]])
    shares = measured(make(source="pixels", image_shape=(1, 2, 2)), x, 0.1001)
    assert shares["in zone"].tolist() == [0.5, 0]
    assert shares["unchanged"].tolist() == [0, 1]


def test_both_thresholds_count_and_wider_zones_hold_more(make, images):
    front_end, x = make(thresholds=(-0.2, 0.2)), images(5, 1, 28, 28)
    shares = [measured(front_end, x, eps)["in zone"] for eps in (0.01, 0.05, 0.2)]
    assert (shares[0] < shares[1]).all()
    assert (shares[1] < shares[2]).all()
    z = front_end.activations(x.double())
    expected = ((z - 0.2).abs() <= 0.05) | ((z + 0.2).abs() <= 0.05)
    torch.testing.assert_close(shares[1], expected.flatten(1).float().mean(1))


def test_it_does_not_apply_to_others(images):
    shares = measured(Identity(Config()), images(3, 1, 4, 4), 0.1)
    assert all(values.isnan().all() and values.shape == (3,) for values in shares.values())


def test_the_default_is_the_papers_for_mnist():
    assert ZoneConfig().eps == pytest.approx(0.3)
