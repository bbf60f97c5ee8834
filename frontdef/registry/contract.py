"""What each field of a plugin's records must be: checked when they are registered, so a slip costs its plugin only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.attacks.spec import Family, Parameters
from frontdef.datasets.record import MAX_CLASSES
from frontdef.errors import shortened
from frontdef.threat import NORMS

ID = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}")
"""What an id is: it stands on command lines, in file names and in tables."""


class Rule(NamedTuple):
    """What a field must be: in words, and as a test."""

    words: str
    holds: Callable[[Any], bool]


def _texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(text, str) for text in value)


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _shape(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(_whole(side, 1, 2**16) for side in value)


def _parameters(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Parameters)


def _reference(value: Any) -> bool:
    if isinstance(value, str):
        module, _, attribute = value.partition(":")
        return bool(attribute) and all(step.isidentifier() for step in [*module.split("."), *attribute.split(".")])
    return callable(value)


NAME = Rule("an id of letters, digits, dashes", lambda value: isinstance(value, str) and bool(ID.fullmatch(value)))
TEXT = Rule("a text", lambda value: isinstance(value, str))
TEXTS = Rule("a tuple of texts", _texts)
FLAG = Rule("True or False", lambda value: isinstance(value, bool))
REFERENCE = Rule("a class or function, or a reference 'package.module:attribute'", _reference)
COUNT = Rule("a number of samples or None", lambda value: value is None or _whole(value, 0, 2**40))
SOME_NORMS = Rule(
    f"a tuple of norms ({', '.join(NORMS)})", lambda value: _texts(value) and bool(value) and set(value) <= set(NORMS)
)

RULES: Mapping[str, Mapping[str, Rule]] = {
    "defense": {
        "name": NAME, "front_end": REFERENCE, "config": REFERENCE, "paper": TEXT, "summary": TEXT, "classifier": TEXT,
        "randomized": FLAG, "norms": SOME_NORMS, "datasets": TEXTS, "license": TEXT,
    },
    "attack family": {
        "name": NAME, "title": TEXT, "paper": TEXT, "norms": SOME_NORMS,
        "parameters": Rule("a subclass of Parameters", _parameters),
        "minimum_norm": FLAG, "gradient": FLAG, "deterministic": FLAG,
    },
    "data set": {
        "name": NAME, "loader": REFERENCE, "image_shape": Rule("(C,H,W), three whole numbers", _shape),
        "n_classes": Rule(f"a whole number in 2…{MAX_CLASSES}", lambda value: _whole(value, 2, MAX_CLASSES)),
        "n_train": COUNT, "n_test": COUNT, "summary": TEXT, "license": TEXT, "citation": TEXT, "revision": TEXT,
        "classes": TEXTS,
    },
    "classifier": {"name": NAME, "builder": REFERENCE, "summary": TEXT, "paper": TEXT},
    "metric": {
        "name": NAME, "measure": REFERENCE, "parameters": REFERENCE, "summary": TEXT, "paper": TEXT, "unit": TEXT,
        "better": Rule("'higher', 'lower' or ''", lambda value: value in ("higher", "lower", "")),
    },
    "logger": {"name": NAME, "log": REFERENCE, "summary": TEXT},
    "model zoo": {"name": NAME, "load": REFERENCE, "names": REFERENCE, "summary": TEXT, "citation": TEXT},
}  # fmt: skip
"""Kind of a record → field → what it must be."""


def breach(kind: str, record: Any) -> str:
    """What of a record breaks the contract; empty where nothing does.

    Args:
        kind: What one of its kind is called: "defense", "data set", ….
        record: Of that kind.
    """
    if isinstance(record, str):
        return "" if REFERENCE.holds(record) else f"{shortened(repr(record))} is no {REFERENCE.words}"
    for name, rule in RULES.get(kind, {}).items():
        value = getattr(record, name)
        if not rule.holds(value):
            return f"its {name} is {shortened(repr(value))}, not {rule.words}"
    return ""


def library_breach(library: AttackLibrary, families: Mapping[str, Family]) -> str:
    """What of a library's rows breaks the contract; empty where nothing does.

    Args:
        library: An attack library.
        families: Every attack family by its id.
    """
    if not NAME.holds(library.name):
        return f"its name is {shortened(repr(library.name))}, not {NAME.words}"
    for place, row in library.table().items():
        if not (isinstance(place, tuple) and len(place) == 2 and isinstance(row, Realization)):
            return f"a row is (family, norm) → Realization, got {shortened(repr(place))} → {type(row).__name__}"
        name, norm = place
        if not callable(row.run) or not (row.defaults is None or callable(row.defaults)):
            return f"what runs {name!r} in {norm} is no function"
        family = families.get(name)
        if family is None:
            continue  # that of a plugin that is not installed
        if norm not in family.norms:
            return f"it offers {name!r} in {norm!r}, which exists in {', '.join(family.norms)}"
        for parameter in row.unsupported or {}:
            if parameter not in family.parameters.model_fields:
                known = ", ".join(family.parameters.model_fields) or "none"
                return f"{row.call} names the parameter {parameter!r} as unsupported; those of {name!r} are {known}"
    return ""
