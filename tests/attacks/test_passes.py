"""What each library spends, forward and backward passes a sample, as docs/attacks.md says."""

from __future__ import annotations

import pytest
import torch

from frontdef.attacks.families import FAMILIES
from frontdef.attacks.spec import make_spec
from tests.attacks.conftest import OFFERS

T, R, D = 6, 3, 4
"""Steps, restarts and draws of the runs below."""

COSTS = {
    ("native", "fgsm", "linf"): (1, 1),
    ("art", "fgsm", "linf"): (1, 1),
    ("foolbox", "fgsm", "linf"): (2, 1),
    ("torchattacks", "fgsm", "linf"): (1, 1),
    ("native", "bim", "linf"): (T, T),
    ("art", "bim", "linf"): (T + 2, T),
    ("foolbox", "bim", "linf"): (T + 1, T),
    ("torchattacks", "bim", "linf"): (T, T),
    ("native", "pgd", "linf"): (T, T),
    ("art", "pgd", "linf"): (T + 2, T),
    ("foolbox", "pgd", "linf"): (T + 1, T),
    ("torchattacks", "pgd", "linf"): (T, T),
    ("native", "pgd", "l2"): (T, T),
    ("art", "pgd", "l2"): (T + 2, T),
    ("foolbox", "pgd", "l2"): (T + 1, T),
    ("torchattacks", "pgd", "l2"): (T, T),
    ("art", "mifgsm", "linf"): (T + 2, T),
    ("foolbox", "mifgsm", "linf"): (T + 1, T),
    ("torchattacks", "mifgsm", "linf"): (T, T),
    ("foolbox", "cw", "l2"): (T + 1, T),
    ("torchattacks", "cw", "l2"): (T, T),
    ("foolbox", "ddn", "l2"): (T + 1, T),
    ("foolbox", "fmn", "linf"): (T + 1, T),
    ("foolbox", "newtonfool", "l2"): (T + 1, T),
}
RESTARTED = {
    "native": (R * T + R, R * T),
    "art": (R * T + 2 * (R - 1) + 2, R * T),
    "foolbox": (R * (T + 1), R * T),
}


def spent(model, run, n):
    model.passes.forward = model.passes.backward = 0
    run()
    return model.passes.forward / n, model.passes.backward / n


@pytest.mark.parametrize("row", COSTS, ids="-".join)
def test_costs(row, attack, cnn, batch):
    x, y = batch[0][:20], batch[1][:20]
    parameters = {} if row[1] == "fgsm" else {"steps": T}
    assert spent(cnn, lambda: attack(*row, 0.1, cnn, x, y, **parameters), len(x)) == COSTS[row]


@pytest.mark.parametrize("library", RESTARTED)
def test_costs_of_restarts(library, attack, cnn, batch):
    x, y = batch[0][:20], batch[1][:20]
    parameters = {"steps": T, "random_start": True, "restarts": R}
    assert (
        spent(cnn, lambda: attack(library, "pgd", "linf", 0.1, cnn, x, y, **parameters), len(x)) == RESTARTED[library]
    )


def test_torchattacks_restarts_survivors_only(attack, cnn, batch):
    parameters = {"steps": T, "random_start": True}
    survivors = spent(
        cnn, lambda: attack("torchattacks", "pgd", "linf", 0.03, cnn, *batch, restarts=R, **parameters), 100
    )
    assert T < survivors[1] < R * T
    assert survivors[0] == pytest.approx(survivors[1] * (T + 1) / T)


def test_noise_costs_its_draws(attack, cnn, batch, right):
    standing = right(cnn, *batch)
    x, y = batch[0][standing], batch[1][standing]
    cost = {
        library: spent(cnn, lambda: attack(library, "noise", "linf", 1e-3, cnn, x, y, draws=D), len(x))  # noqa: B023
        for library in ("native", "foolbox")
    }
    assert cost == {"native": (D, 0), "foolbox": (D + 1, 0)}


def test_class_gradients_are_what_art_pays_for(attack, cnn, batch, right):
    """One backward pass of the whole batch for each class that occurs, twice a C&W step; every class in DeepFool."""
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:30], batch[1][standing][:30]
    classes = len(y.unique())
    assert classes >= 8
    _, backward = spent(cnn, lambda: attack("art", "cw", "l2", 1.0, cnn, x, y, steps=T), len(x))
    assert T * classes <= backward <= T * (classes + 10)
    _, backward = spent(cnn, lambda: attack("art", "deepfool", "l2", 1.0, cnn, x, y, steps=T), len(x))
    assert backward % 10 == 0
    assert backward <= (T + 1) * 10
    _, backward = spent(cnn, lambda: attack("torchattacks", "deepfool", "l2", 1.0, cnn, x, y, steps=T), len(x))
    assert backward <= T * 10
    _, backward = spent(cnn, lambda: attack("foolbox", "deepfool", "l2", 1.0, cnn, x, y, steps=T), len(x))
    assert backward <= T * 9


UNBROKEN = {
    ("art", "zoo", "l2"): ({"steps": T, "parallel": 16}, (33 * T + 2, 0)),
    ("art", "simba", "l2"): ({"steps": T}, (2 * T + 1, 0)),
    ("art", "square", "linf"): ({"queries": 20}, (60, 0)),
    ("art", "newtonfool", "l2"): ({"steps": T}, (2 * T + 1, T)),
    ("foolbox", "ead", "l1"): ({"steps": T, "binary_search_steps": 2}, (4 * T + 1, 2 * T)),
    ("torchattacks", "square", "linf"): ({"queries": 20}, (22, 0)),
    ("torchattacks", "apgd", "linf"): ({"steps": T}, (T + 2, T + 1)),
}
"""Library, family, norm → parameters and passes where no sample falls."""


@pytest.mark.parametrize("row", UNBROKEN, ids="-".join)
def test_costs_where_nothing_falls(row, attack, linear):
    """One class leads by so much that no attack reaches another; every label is that class."""
    torch.manual_seed(0)
    model = linear(1e-3 * torch.randn(10, 196), bias=[50.0] + [0.0] * 9, image_shape=(1, 14, 14))
    x, y = torch.rand(4, 1, 14, 14), torch.zeros(4, dtype=torch.int64)
    parameters, cost = UNBROKEN[row]
    eps = 0.1 if row[2] == "linf" else 1e6
    assert spent(model, lambda: attack(*row, eps, model, x, y, **parameters), len(x)) == cost


FAMILY = {family.name: family for family in FAMILIES}
ASKED = {
    "steps": T, "queries": 20, "draws": D, "neighbors": 2, "init_eval": 40, "max_eval": 60, "population": 20,
    "parallel": 16, "rotations": 3, "translations": 2, "classes": 9, "binary_search_steps": 2,
}  # fmt: skip
ALONE = {
    ("art", "pixel"): {"steps": 2, "population": 400},
    ("torchattacks", "cw"): {"steps": T, "binary_search_steps": 1},
}
"""Where a library has one value alone."""

ENDS = {"deepfool", "jsma", "pixel", "spatial", "boundary"}
"""Families that end where a sample falls, or where nothing is left to change: their cost is the most that they ask."""

OFF = 1.5


@pytest.mark.parametrize(
    "row", [row for row in OFFERS if row[1] not in {"cascade", "adaptive", "autoattack"}], ids="-".join
)
def test_a_library_says_what_it_spends(row, libraries, attack, cnn, batch, right):
    """On samples that stand, all ten classes among them, within a factor of OFF: what an estimate is made of."""
    name, family, norm = row
    known = FAMILY[family].parameters.model_fields
    parameters = ALONE.get((name, family), {key: value for key, value in ASKED.items() if key in known})
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:40], batch[1][standing][:40]
    eps = {"l0": 5.0, "spatial": 1.0}.get(norm, 1e-4)
    cost = libraries[name].offers(family, norm).cost(make_spec(FAMILY[family], norm, eps, parameters))
    took = sum(spent(cnn, lambda: attack(*row, eps, cnn, x, y, **parameters), len(x)))
    assert took <= OFF * cost
    assert family in ENDS or took >= cost / OFF, (took, cost)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["art", "torchattacks"])
def test_an_ensemble_says_what_its_library_runs(name, libraries, attack, cnn, batch, right):
    """ART's AutoAttack makes eight times the passes of torchattacks', most of them for Square's restarts."""
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:1], batch[1][standing][:1]
    cost = libraries[name].offers("autoattack", "linf").cost(make_spec(FAMILY["autoattack"], "linf", 1e-4))
    took = sum(spent(cnn, lambda: attack(name, "autoattack", "linf", 1e-4, cnn, x, y), 1))
    assert cost / 1.1 < took < 1.1 * cost


def test_a_library_with_defaults_of_its_own_says_nothing(libraries):
    """Its passes may be several times those of the family's defaults: unknown, until a cell like it has run."""
    spec = make_spec(FAMILY["apgd"], "linf", 0.1, defaults=True)
    assert libraries["art"].offers("apgd", "linf").cost(spec) is None
    assert libraries["native"].offers("apgd", "linf").cost(spec) == make_spec(FAMILY["apgd"], "linf", 0.1).passes
