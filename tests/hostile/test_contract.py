"""A plugin that breaks its contract costs itself only."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import pluggy
import pytest

from frontdef import hookspecs
from frontdef.attacks.families import FAMILIES
from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.attacks.spec import Family, Parameters, make_spec
from frontdef.classifiers import Classifier
from frontdef.datasets import Dataset
from frontdef.defense import Defense
from frontdef.logger import Logger
from frontdef.matrix.cells import _why_not
from frontdef.metrics import Metric
from frontdef.registry.catalog import Catalog
from frontdef.registry.hooks import ask
from frontdef.registry.loader import Plugin
from frontdef.registry.status import FaultError, PluginStatus
from frontdef.zoo import Zoo

hookimpl = pluggy.HookimplMarker("frontdef")

DEFENSE = Defense("d", "a.b:C")
FAMILY = Family("f", "F", "", ("linf",), Parameters, "exact")
DATASET = Dataset("s", "a.b:load", (1, 2, 2), 2)
CLASSIFIER = Classifier("c", "a.b:build")
METRIC = Metric("m", "a.b:measure")
ZOO = Zoo("z", "a.b:load", "a.b:names")
LOGGER = Logger("l", "a.b:log")

BROKEN = [
    ("frontdef_defenses", DEFENSE, {"front_end": 3}), ("frontdef_defenses", DEFENSE, {"front_end": "a.b"}),
    ("frontdef_defenses", DEFENSE, {"config": "no reference"}), ("frontdef_defenses", DEFENSE, {"norms": ()}),
    ("frontdef_defenses", DEFENSE, {"datasets": "mnist"}), ("frontdef_defenses", DEFENSE, {"summary": None}),
    ("frontdef_defenses", DEFENSE, {"randomized": "yes"}), ("frontdef_defenses", DEFENSE, {"classifier": 1}),
    ("frontdef_families", FAMILY, {"norms": "linf"}), ("frontdef_families", FAMILY, {"norms": ("l7",)}),
    ("frontdef_families", FAMILY, {"parameters": dict}), ("frontdef_families", FAMILY, {"parameters": Parameters()}),
    ("frontdef_families", FAMILY, {"name": "../x"}), ("frontdef_families", FAMILY, {"name": ""}),
    ("frontdef_families", FAMILY, {"name": "a\x1b[2J"}), ("frontdef_families", FAMILY, {"name": None}),
    ("frontdef_families", FAMILY, {"deterministic": None}), ("frontdef_datasets", DATASET, {"image_shape": (28, 28)}),
    ("frontdef_datasets", DATASET, {"image_shape": [1, 2, 2]}),
    ("frontdef_datasets", DATASET, {"image_shape": (1, 0, 2)}),
    ("frontdef_datasets", DATASET, {"n_classes": 10**12}), ("frontdef_datasets", DATASET, {"n_classes": "10"}),
    ("frontdef_datasets", DATASET, {"n_test": -1}), ("frontdef_datasets", DATASET, {"loader": None}),
    ("frontdef_datasets", DATASET, {"classes": ["a", "b"]}), ("frontdef_datasets", DATASET, {"revision": 1}),
    ("frontdef_classifiers", CLASSIFIER, {"builder": None}), ("frontdef_classifiers", CLASSIFIER, {"name": "a b"}),
    ("frontdef_metrics", METRIC, {"measure": 3}), ("frontdef_metrics", METRIC, {"parameters": None}),
    ("frontdef_metrics", METRIC, {"better": "more"}), ("frontdef_models", ZOO, {"load": 3}),
    ("frontdef_models", ZOO, {"names": ["a"]}), ("frontdef_models", ZOO, {"summary": b"x"}),
    ("frontdef_loggers", LOGGER, {"log": 3}), ("frontdef_loggers", LOGGER, {"log": "no reference"}),
    ("frontdef_loggers", LOGGER, {"name": "a b"}), ("frontdef_loggers", LOGGER, {"summary": None}),
]  # fmt: skip


def offer(hook: str, record):
    """Register a plugin that offers one record."""
    plugin = type("Plugin", (), {hook: staticmethod(hookimpl(lambda: [record], specname=hook))})()
    manager = pluggy.PluginManager("frontdef")
    manager.add_hookspecs(hookspecs)
    return ask(manager, plugin, "plugin")


@pytest.mark.parametrize(
    ("hook", "record", "change"), BROKEN, ids=lambda value: str(value)[:40] if isinstance(value, dict) else ""
)
def test_records_are_checked_when_they_are_registered(hook, record, change):
    assert offer(hook, record)
    broken = dataclasses.replace(record)
    for name, value in change.items():
        object.__setattr__(broken, name, value)
    with pytest.raises(FaultError, match=next(iter(change))):
        offer(hook, broken)


@pytest.mark.parametrize("reference", ["", "a", "a:", ":b", "a b:c", "a.b:c d", "../a:b"])
def test_references_to_libraries_are_references(reference):
    with pytest.raises(FaultError, match="reference"):
        offer("frontdef_attacks", reference)


class Honest(AttackLibrary):
    name = "honest"
    distribution = "frontdef"
    rows: ClassVar = {}

    def table(self):
        return self.rows


def run(spec, protected, x, y):
    return x


def catalog(*libraries) -> Catalog:
    records = {"attack families": {family.name: family for family in FAMILIES}}
    plugins = [Plugin(PluginStatus("frontdef", "frontdef", "0"), records, builtin=True)]
    for number, library in enumerate(libraries):
        status = PluginStatus(f"p{number}", f"p{number}", "0")
        plugins.append(Plugin(status, {"attack libraries": {library.name: library}}))
    return Catalog(plugins)


ROWS = {
    "a parameter that the family does not have": {("pgd", "linf"): Realization("X.pgd", run, unsupported={"stepz": 1})},
    "no realization": {("pgd", "linf"): run},
    "no place": {"pgd": Realization("X.pgd", run)},
    "a norm that the family does not have": {("pgd", "l7"): Realization("X.pgd", run)},
    "no function": {("pgd", "linf"): Realization("X.pgd", "run")},
}


@pytest.mark.parametrize("case", ROWS)
def test_a_library_whose_rows_break_the_contract_is_left_out_and_the_others_stay(case):
    broken = type("Broken", (Honest,), {"name": "broken", "rows": ROWS[case]})()
    good = type("Good", (Honest,), {"name": "good", "rows": {("pgd", "linf"): Realization("G.pgd", run)}})()
    available, left_out = catalog(broken, good).libraries
    assert list(available) == ["good"]
    assert "breaks the contract" in left_out["broken"]


def test_a_library_that_raises_when_it_is_asked_costs_its_own_cells_only():
    class Moody(Honest):
        def offers(self, family, norm):
            raise LookupError("not today")

    spec = make_spec(next(family for family in FAMILIES if family.name == "pgd"), "linf", 0.1)
    assert "LookupError when it is asked" in _why_not(spec, Moody())


def test_a_parameter_that_is_not_there_is_no_refusal():
    spec = make_spec(next(family for family in FAMILIES if family.name == "pgd"), "linf", 0.1)
    assert Realization("X.pgd", run, unsupported={"stepz": 1}).refusal(spec) == ""
