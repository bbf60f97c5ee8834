"""Every row: what is asked for arrives, the threat model holds, nothing but the examples is left behind."""

from __future__ import annotations

import pytest
from frontdef_advlib.library import AdvLibrary

from frontdef import registry
from frontdef.testing import LibraryConformance
from frontdef.threat import TOLERANCE, distance

TABLE = AdvLibrary().table()
BROKEN_BY = {"linf": 0.3, "l2": 3.0, "l1": 30.0}
FEW = {"steps": 4, "classes": 2}
SHORT = {("fmn", "l1"): 0.35, ("fmn", "l2"): 0.65}
"""Shares that end short of the boundary and stay as they are: a caveat, pinned in test_differences.py."""


class TestAdvLibrary(LibraryConformance):
    library = "advlib"
    modules = ("adv_lib.attacks",)
    rounding = {("apgd", "l1"): 1e-5, ("apgdt", "l1"): 1e-5}  # noqa: RUF012  (their caveat)


def few(family, **parameters):
    known = registry.get_family(family).parameters.model_fields
    return {**{name: value for name, value in FEW.items() if name in known}, **parameters}


def assert_valid(x, examples, row):
    """What is broken by NaN, or by leaving the box or the ball, is not broken."""
    family, norm = row
    bounded = not registry.get_family(family).minimum_norm
    assert examples.isfinite().all()
    assert examples.amin() >= -TOLERANCE
    assert examples.amax() <= 1 + TOLERANCE
    if bounded:
        rounding = TestAdvLibrary.rounding.get(row, 0.0)
        assert (distance(x, examples, norm) <= BROKEN_BY.get(norm, 1e6) + TOLERANCE + rounding).all()


def test_the_cnn_is_broken(row, attack, cnn, batch, right):
    family, norm = row
    x, y = batch
    slow = {"alma": 150, "sigmazero": 100, "pdpgd": 100, "ddn": 50, "fmn": 50}
    more = {"initial_const": 10.0, "lr": 0.05} if family == "cw" else {}
    steps = {"steps": slow.get(family, 15)}
    examples = attack(family, norm, BROKEN_BY.get(norm, 1e6), cnn, x, y, **few(family, **{**steps, **more}))
    assert_valid(x, examples, row)
    assert right(cnn, examples, y).float().mean() <= SHORT.get(row, 0.1)


def test_a_class_is_reached(row, attack, cnn, batch):
    family, norm = row
    if "target" not in registry.get_family(family).parameters.model_fields:
        pytest.skip("has no targets")
    x, wanted = batch[0], (batch[1] + 1) % 10
    more = {"initial_const": 10.0, "lr": 0.05} if family == "cw" else {}
    slow = {"alma": 200, "pdpgd": 150}
    parameters = {"target": "next", "steps": slow.get(family, 60), **more}
    examples = attack(family, norm, BROKEN_BY.get(norm, 1e6), cnn, x, wanted, **parameters)
    assert_valid(x, examples, row)
    assert (cnn.predict(examples).argmax(1) == wanted).float().mean() >= 0.7 - SHORT.get(row, 0)


def test_defaults_run(row, attack, cnn, batch, right):
    family, norm = row
    if family in {"cw", "alma", "sigmazero", "pdpgd"}:
        pytest.skip("500 to 90 000 steps: too slow for a test")
    few_images = 4 if family == "fab" else 12
    x, y = batch[0][:few_images], batch[1][:few_images]
    examples = attack(family, norm, BROKEN_BY.get(norm, 1.0), cnn, x, y, defaults=True)
    assert_valid(x, examples, row)
    assert not right(cnn, examples, y).all(), "what it returns breaks nothing: it may be noise"


def test_own_families_are_offered_by_no_other_library():
    for family in ("alma", "sigmazero", "pdpgd"):
        offers = {offer.library for offer in registry.get_attacks() if offer.family.name == family}
        assert offers == {"advlib"}
        assert {norm for name, norm in TABLE if name == family} == set(registry.get_family(family).norms)
