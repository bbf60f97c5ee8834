"""Libraries that realize a family exactly give the same examples, to 1e-4 on at least 99 % of the samples."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from frontdef.attacks import art, foolbox, torchattacks
from frontdef.attacks.families import FAMILIES
from frontdef.attacks.native import library as native

TABLES = {"native": native.TABLE, "art": art.TABLE, "foolbox": foolbox.TABLE, "torchattacks": torchattacks.TABLE}
EPS = {"linf": 0.1, "l2": 0.8, "l1": 5.0}
TOLERANCE, SHARE = 1e-4, 0.99


def exact(family: str, norm: str) -> list[str]:
    """The libraries that realize a family in a norm exactly."""
    return [name for name, table in TABLES.items() if (family, norm) in table and table[family, norm].exact]


PAIRS = [
    (family.name, norm, *pair)
    for family in FAMILIES
    if family.gradient and family.deterministic
    for norm in family.norms
    for pair in combinations(exact(family.name, norm), 2)
]


def same(first, second) -> float:
    """Share of samples whose examples agree."""
    return float(((first - second).abs().flatten(1).amax(1) <= TOLERANCE).double().mean())


@pytest.mark.parametrize(("family", "norm", "first_library", "second_library"), PAIRS)
def test_exact_realizations_agree(family, norm, first_library, second_library, attack, cnn, batch):
    first, second = (
        attack(library, family, norm, EPS[norm], cnn, *batch) for library in (first_library, second_library)
    )
    assert (first - batch[0]).abs().amax() > 0.05, "nothing was attacked"
    assert same(first, second) >= SHARE


def test_the_families_that_the_literature_shares_are_compared():
    """A table that loses its exact rows would leave nothing to compare, and the test above green."""
    compared = {(family, norm) for family, norm, *_ in PAIRS}
    assert {
        ("fgsm", "linf"),
        ("fgsm", "l2"),
        ("bim", "linf"),
        ("bim", "l2"),
        ("pgd", "linf"),
        ("pgd", "l2"),
    } <= compared
    assert ("mifgsm", "linf") in compared
    assert sum(family == "pgd" and norm == "linf" for family, norm, *_ in PAIRS) == 6


@pytest.mark.parametrize("steps", [1, 7, 40])
@pytest.mark.parametrize("relative_step", [0.05, 1.0])
def test_pgd_agrees_for_other_parameters(steps, relative_step, attack, cnn, batch):
    x, y = batch[0][:40], batch[1][:40]
    reference, *others = (
        attack(library, "pgd", "linf", 0.1, cnn, x, y, steps=steps, relative_step=relative_step)
        for library in exact("pgd", "linf")
    )
    assert [same(reference, examples) >= SHARE for examples in others] == [True] * 3


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_agrees_in_color(norm, attack, wrap):
    """Three channels, an oblong image, random weights."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(8 * 6 * 4, 5)
    )
    model = wrap(net, (3, 8, 6))
    x = torch.rand(30, 3, 8, 6)
    y = model.predict(x).argmax(1)
    reference, *others = (attack(library, "pgd", norm, 0.2, model, x, y) for library in exact("pgd", norm))
    assert others
    assert [same(reference, examples) >= SHARE for examples in others] == [True] * len(others)
