"""On a linear model the nearest adversarial example is known: at margin / dual norm of the weights' difference."""

from __future__ import annotations

import math

import pytest
import torch

from frontdef.attacks import art, foolbox, torchattacks
from frontdef.attacks.native import library as native
from frontdef.threat import distance

TABLES = {"native": native.TABLE, "art": art.TABLE, "foolbox": foolbox.TABLE, "torchattacks": torchattacks.TABLE}
DUALS = {"linf": 1, "l2": 2, "l1": math.inf}


def rows(*families: str):
    return pytest.mark.parametrize(
        "row", [(name, *key) for name, table in TABLES.items() for key in table if key[0] in families], ids="-".join
    )


@pytest.fixture
def oracle(linear):
    """Two classes, 60 images near the middle of the box, their labels and exact distances to the boundary."""
    torch.manual_seed(0)
    weight = torch.randn(2, 30)
    x = 0.5 + 0.05 * torch.randn(60, 1, 1, 30)
    bias = 10 - weight @ torch.full((30,), 0.5)
    model = linear(weight, bias)
    y = model.predict(x).argmax(1)
    margin = -(model.predict(x)[torch.arange(60), 1 - y] - model.predict(x)[torch.arange(60), y])
    exact = {
        norm: (margin / torch.linalg.vector_norm(weight[0] - weight[1], ord=dual)).double()
        for norm, dual in DUALS.items()
    }
    return model, x, y, exact


SPREADS = {("foolbox", family, "l1") for family in ("fgsm", "bim", "pgd")}
"""Their ℓ1 steps follow the gradient, not the best pixel (test_differences.py): weaker than what is possible."""


@rows("fgsm", "bim", "pgd", "mifgsm")
def test_an_attack_succeeds_exactly_beyond_the_distance(row, attack, oracle, right):
    model, x, y, exact = oracle
    norm = row[2]
    eps = float(exact[norm].median())
    near, far = exact[norm] < 0.99 * eps, exact[norm] > 1.01 * eps
    assert near.sum() > 20 < far.sum()
    parameters = {} if row[1] == "fgsm" else {"steps": 40}
    fell = ~right(model, attack(*row, eps, model, x, y, **parameters), y)
    assert not fell[far].any()
    assert fell[near].all() == (row not in SPREADS)


@rows("deepfool", "cw")
def test_minimum_norm_attacks_come_close(row, attack, oracle, right):
    library, family, norm = row
    model, x, y, exact = oracle
    parameters = {"steps": 20} if family == "deepfool" else {"steps": 200, "lr": 0.005, "initial_const": 0.1}
    examples = attack(library, family, norm, 1.0, model, x, y, **parameters)
    distances = distance(x, examples, norm)
    assert not right(model, examples, y)[exact[norm] > 1e-2].any()
    assert (distances >= exact[norm] * (1 - 1e-3) - 1e-6).all(), "nearer than possible"
    overhead = (distances / exact[norm])[exact[norm] > 1e-2]
    assert overhead.median() < (1.25 if (library, family) == ("art", "cw") else 1.03)


def test_deepfool_takes_the_nearest_of_many_classes(attack, linear):
    torch.manual_seed(1)
    weight = torch.randn(6, 20)
    model = linear(weight, -weight @ torch.full((20,), 0.5))
    x = 0.5 + 0.03 * torch.randn(40, 1, 1, 20)
    logits = model.predict(x)
    y = logits.argmax(1)
    gaps = logits.gather(1, y[:, None]) - logits
    widths = torch.cdist(weight[y], weight).clamp_min(1e-9)
    exact = (gaps / widths).scatter(1, y[:, None], torch.inf).amin(1).double()
    for library in ("art", "foolbox", "torchattacks"):
        distances = distance(x, attack(library, "deepfool", "l2", 1.0, model, x, y), "l2")
        assert ((distances - exact * 1.02).abs() < 2e-4).all()
