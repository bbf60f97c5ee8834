"""`precise`: float64 logits whose gradient arrives, in every library, whatever the classifier's confidence."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from frontdef.attacks.lost import lost_in_float32
from frontdef.config import Config
from frontdef.matrix.attack import Cell
from frontdef.matrix.entries import Matrix
from frontdef.matrix.plan import make_plan
from frontdef.protected import Protected
from frontdef.testing.networks import attack, fitted_cnn, undefended, unseen_digits
from tests.test_adaptive import Coin

LEADS = torch.tensor([1.0, 20.0, 50.0, 120.0, 400.0, 700.0])
"""By how many nats the label leads. float32 loses the loss above 17 and its gradient above 104."""


def leading() -> tuple[Protected, torch.Tensor, torch.Tensor]:
    """A linear model, and images of label 0 on which it leads by `LEADS`."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 3, bias=False))
    with torch.no_grad():
        net[1].weight.copy_(torch.randn(3, 6) * 1000)
    towards = torch.linalg.lstsq(net[1].weight, torch.tensor([1.0, 0.0, -3.0])).solution
    return undefended(net, (1, 2, 3)), (LEADS[:, None] * towards).view(-1, 1, 2, 3), torch.zeros(6, dtype=torch.int64)


def gradient(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    loss = F.cross_entropy(model(x), y, reduction="sum")
    return torch.autograd.grad(loss, x)[0].flatten(1)


def direction(gradients: torch.Tensor) -> torch.Tensor:
    return gradients.double() / gradients.double().abs().amax(1, keepdim=True)


def test_the_gradient_of_a_precise_model_points_where_a_float64_network_s_does():
    model, x, y = leading()
    mine, single = gradient(model.precise(), x, y), gradient(model, x, y)
    double = gradient(nn.Sequential(nn.Flatten(), model.classifier[1]).double(), x.double(), y)
    model.classifier.float()
    assert mine.dtype == torch.float32
    torch.testing.assert_close(direction(mine), direction(double), rtol=0, atol=1e-6)
    assert torch.equal(single.any(1), LEADS < 104), "float32 loses nothing here, so the test shows nothing"
    # In float32 the label's logit drops out of the gradient as soon as the loss is exactly 0.
    assert (direction(single)[1] - direction(double)[1]).abs().max() > 0.1
    torch.testing.assert_close(mine[0], single[0], rtol=1e-5, atol=0)


def test_what_float32_loses_is_counted():
    model, x, y = leading()
    lost = lost_in_float32(model, x, y)
    assert (lost.losses, lost.gradients) == (int((LEADS > 17).sum()), int((LEADS > 104).sum()))


def test_views_keep_their_precision_and_count_together():
    model = Protected(Coin(Config()), fitted_cnn(14).classifier, image_shape=(1, 14, 14))
    x = torch.rand(2, 1, 14, 14)
    for view in (
        model.precise().eot(3),
        model.eot(3).precise(),
        model.precise().without(),
        model.precise().eot(3).eot(1),
    ):
        assert view(x).dtype == view(x.double()).dtype == torch.float64
    assert model(x).dtype == torch.float32
    assert model.eot(3).precise().draws == 3
    assert model.passes.forward == 2 * (2 * (3 + 3 + 1 + 1) + 1 + 0)


@pytest.mark.parametrize("library", ["art", "foolbox", "native", "torchattacks"])
def test_every_library_breaks_what_float32_left(library):
    """A classifier that is thirty times as confident as it was trained to be: its first class is never doubted."""
    trained = fitted_cnn(14)

    class Confident(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = trained.classifier

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classifier(x) * 30

    model, (x, y) = undefended(Confident(), (1, 14, 14)), unseen_digits(14)
    x, y = x[:64], y[:64]
    left = [
        int((model.predict(attack(library, "fgsm", "linf", 0.1, model, x, y, precise=precise)).argmax(1) == y).sum())
        for precise in (False, True)
    ]
    assert lost_in_float32(model, x, y).losses > 32
    assert left[1] < left[0]


def test_precision_is_part_of_the_question_and_of_no_seed():
    entry = {"family": "fab", "eps": [0.1]}
    plain, precise = (
        make_plan(Matrix.model_validate({"attack": [entry | more], "libraries": ["advlib", "torchattacks"]}))
        for more in ({}, {"precise": True})
    )
    cells = {
        which: {job.library: job for job in plan.jobs if isinstance(job, Cell)}
        for which, plan in (("plain", plain), ("precise", precise))
    }
    one, other = cells["plain"]["advlib"], cells["precise"]["advlib"]
    assert one.key != other.key
    assert one.spec.seed == other.spec.seed
    assert "precise" in str(other)
    assert "precise" not in str(one)
    assert other.spec.settings()["precise"] is True
    assert "precise" not in one.spec.settings()
    assert set(cells["plain"]) - set(cells["precise"]) == {"torchattacks"}
    assert any("torchattacks: FAB takes float32 logits only" in line for line in precise.skipped)
