"""The confidence gap, by hand and on models of which nothing is proved."""

from __future__ import annotations

import pytest
import torch
from frontdef_l2nn.metric import confidence_gap
from torch import nn

from frontdef import Config, Protected, protect
from frontdef.registry import get_metric


def measure(protected, x, y):
    return get_metric("confidence-gap")(protected, x, y, Config(), 0)


def test_gaps_of_a_linear_model_by_hand():
    """Logits (x₁, 2x₂, 0). First image: 2·0.9 - 0.5 = 1.3; second is class 0 and called 1: 0."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 3, bias=False))
    network[1].weight.data = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    x = torch.tensor([[0.5, 0.9], [0.2, 0.7]]).view(2, 1, 1, 2)
    gaps = measure(protect(network, "none", image_shape=(1, 1, 2)), x, torch.tensor([1, 0]))
    assert gaps["logit gap"].tolist() == pytest.approx([1.3, 0.0])
    assert gaps["confidence gap"].isnan().all()
    assert gaps["certified radius"].isnan().all()


def test_gaps_of_the_trained_network(trained):
    gaps = measure(trained.protected, trained.x, trained.y)
    top = trained.logits.double().sort(1, descending=True).values
    right = trained.logits.argmax(1) == trained.y
    torch.testing.assert_close(gaps["logit gap"], (top[:, 0] - top[:, 1]) * right)
    torch.testing.assert_close(gaps["confidence gap"] * trained.proof.bound, gaps["logit gap"])
    assert torch.equal(gaps["certified radius"], trained.proof.radii(trained.x, trained.y))
    assert ((gaps["certified radius"] > 0) <= right).all()


def test_the_gap_does_not_depend_on_the_scale_of_the_last_layer(trained):
    """Twice the logits, twice the bound."""
    last = nn.Linear(48, 10)
    body = trained.protected.classifier.body
    last.load_state_dict({"weight": 2 * body.weight, "bias": 2 * body.bias})
    doubled = Protected(trained.protected.front_end, last, image_shape=(1, 28, 28))
    gap = measure(trained.protected, trained.x, trained.y)["confidence gap"]
    doubled_gap = confidence_gap(doubled, trained.x, trained.y, Config(), 0)
    torch.testing.assert_close(doubled_gap["confidence gap"], gap, rtol=1e-5, atol=1e-7)
