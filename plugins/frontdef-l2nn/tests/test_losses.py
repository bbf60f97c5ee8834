"""The three-term loss, worked out by hand, and the penalty as a sum over body and head."""

from __future__ import annotations

import math

import pytest
import torch
from frontdef_l2nn import bounds
from frontdef_l2nn.head import divided_head, head
from frontdef_l2nn.losses import three_terms

from frontdef.errors import ConfigError


def test_each_term_by_hand():
    """y = (2, 0), label 0, u = (½, 3), v = 2, z = ½.

    L_a: softmax of (1, 0), so log(1 + e⁻¹). L_b: of (4, 0), so log(1 + e⁻⁴). L_c: 1 - p = 1/(1 + e), its log over ½.
    """
    logits, label, u, v = torch.tensor([[2.0, 0.0]]), torch.tensor([0]), torch.tensor([0.5, 3.0]), torch.tensor(2.0)
    terms = (math.log(1 + math.exp(-1)), math.log(1 + math.exp(-4)), -2 * math.log(1 + math.e))
    for gamma, omega in [(0, 0), (1, 0), (0, 1), (0.7, 0.3)]:
        loss = three_terms(logits, label, u, v, gamma=gamma, omega=omega, z=0.5)
        assert float(loss) == pytest.approx(terms[0] + gamma * terms[1] + omega * terms[2], rel=1e-6)


def test_it_is_the_mean_of_the_samples():
    logits, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1])
    u, v = torch.tensor([0.2, 0.5, 0.9]), torch.tensor(1.5)
    rest = {"gamma": 0.5, "omega": 0.1, "z": 2.0}
    alone = [three_terms(logits[i : i + 1], labels[i : i + 1], u, v, **rest) for i in range(5)]
    torch.testing.assert_close(three_terms(logits, labels, u, v, **rest), torch.stack(alone).mean())


def test_it_stays_finite_where_the_label_is_certain():
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    loss = three_terms(logits, torch.tensor([0]), torch.ones(2), torch.tensor(1.0), gamma=1, omega=1, z=1)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(math.log(1e-10), rel=1e-6)
    assert logits.grad.isfinite().all()


def test_the_front_end_trains_its_factors(make):
    front_end = make(gamma=0.25, omega=0.5, z=2.0)
    assert 0 <= front_end.u.min() <= front_end.u.max() < 1
    assert front_end.v == 1
    logits, labels = torch.randn(4, 10, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    loss = front_end.losses()["l2nn"](logits, labels)
    expected = three_terms(logits, labels, front_end.u, front_end.v, gamma=0.25, omega=0.5, z=2.0)
    assert loss == expected
    loss.backward()
    assert front_end.u.grad.abs().min() > 0
    assert front_end.v.grad != 0


def test_another_number_of_classes_is_named(make):
    with pytest.raises(ConfigError, match="set classes = 7"):
        make().losses()["l2nn"](torch.zeros(1, 7), torch.zeros(1, dtype=torch.long))


def test_the_penalty_counts_body_and_head(make):
    front_end, last = make(), head((48,), 10)
    penalty = front_end.penalties()["nonexpansive"]
    with torch.no_grad():
        for layer in (front_end.body[0], front_end.body[3], front_end.body[7], last):
            layer.weight.mul_(6)
    weights = [front_end.body[0].weight, front_end.body[3].weight, front_end.body[7].weight, last.weight]
    expected = sum(float(bounds.excess(weight.detach())) for weight in weights)
    assert penalty(torch.zeros(1, 1, 28, 28), last).item() == pytest.approx(expected, rel=1e-6)
    assert min(float(bounds.excess(weight.detach())) for weight in weights) > 0


def test_what_is_divided_has_no_excess(make):
    front_end, last = make(constraint="divide"), divided_head((48,), 10)
    with torch.no_grad():
        last.weight.mul_(50)
        front_end.body[3].weight.mul_(50)
    assert front_end.penalties()["nonexpansive"](torch.zeros(1, 1, 28, 28), last).item() < 1e-4
