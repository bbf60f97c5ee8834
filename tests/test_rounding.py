"""What rounding alone changes is measured: nothing where gradients are large, much where they cancel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef.attacks.rounding import changed_by_rounding, expected, rounded_anew
from frontdef.attacks.spec import make_spec
from frontdef.checks.invariants.tasks import Model, trained
from frontdef.registry import get_attack_libraries, get_family

NATIVE = get_attack_libraries()["native"]
SPEC = make_spec(get_family("bim"), "linf", 0.1, {"steps": 3})


class Cancelling(nn.Module):
    """Adds the same to every logit: the gradient of a loss that knows probabilities is 0, up to rounding."""

    def forward(self, x):
        return x.flatten(1).sum(1, keepdim=True) + torch.tensor([0.0, 0.3, -0.7])


def test_a_right_attack_on_gradients_that_are_large_is_not_changed():
    task = trained(24)
    assert changed_by_rounding(NATIVE, SPEC, task.model, task.x, task.y) == (0, 24)


def test_signs_of_gradients_near_zero_are():
    x, y = trained(24).x, torch.zeros(24, dtype=torch.int64)
    assert changed_by_rounding(NATIVE, SPEC, Model(Cancelling()), x, y)[0] > 0


def test_the_model_is_as_before():
    task = trained(24)
    before = task.model.predict(task.x)
    with rounded_anew(task.model):
        again = task.model.predict(task.x)
    assert not torch.equal(before, again)
    torch.testing.assert_close(before, again)
    assert torch.equal(task.model.predict(task.x), before)


@pytest.mark.parametrize(
    ("library", "family", "parameters", "same"),
    [
        ("native", "bim", {}, True),
        ("native", "pgd", {}, True),
        ("native", "pgd", {"random_start": True}, False),
        ("foolbox", "mifgsm", {}, False),
        ("torchattacks", "mifgsm", {}, True),
        ("torchattacks", "apgd", {}, False),
    ],
)
def test_the_same_examples_are_expected_of_exact_calls_that_do_not_draw(library, family, parameters, same):
    spec = make_spec(get_family(family), "linf", 0.1, parameters)
    assert expected(get_attack_libraries()[library], spec) == same
