"""Values to test a family's parameters with, from what its fields allow."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic.fields import FieldInfo

from frontdef.attacks.spec import AttackSpec, Family, make_spec
from frontdef.errors import ConfigError

QUICK: Mapping[str, Any] = {
    "steps": 3,
    "draws": 3,
    "queries": 20,
    "init_eval": 5,
    "max_eval": 10,
    "population": 5,
    "neighbors": 2,
    "rotations": 3,
    "translations": 2,
    "parallel": 16,
    "classes": 2,
}
"""Parameters of a run that takes no time."""

BOUNDS = ("ge", "gt", "le", "lt")


def quick(family: Family, **more: Any) -> dict[str, Any]:
    """Those of `QUICK` that a family has, and more."""
    return {**{name: value for name, value in QUICK.items() if name in family.parameters.model_fields}, **more}


def pairs(family: Family, norm: str, eps: float, name: str, fixed: Mapping[str, Any]) -> tuple[AttackSpec, AttackSpec]:
    """Two specs that differ in one parameter alone.

    Args:
        family: The family.
        norm: One of its norms.
        eps: The radius.
        name: The parameter.
        fixed: Values of the others; where a parameter is allowed together with another switch only, that is on in both.

    Raises:
        ConfigError: No two values of it are allowed.
    """
    fields = family.parameters.model_fields
    switches: list[dict[str, Any]] = [{}] + [{key: True} for key, field in fields.items() if field.default is False]
    reason: ConfigError | None = None
    for switch in switches:
        if name in switch:
            continue
        base = {**fixed, **switch}
        for value in others(fields[name], base.get(name, fields[name].default)):
            try:
                return (
                    make_spec(family, norm, eps, dict(base)),
                    make_spec(family, norm, eps, {**base, name: value}),
                )
            except ConfigError as error:
                reason = error
    raise ConfigError(f"no second value of {name} is allowed for {family.name}: {reason}")


def others(field: FieldInfo, value: Any) -> Iterator[Any]:
    """Values of a field beside the one that it has, within its bounds, smaller ones first."""
    kinds = typing.get_args(field.annotation) if typing.get_origin(field.annotation) is not Literal else ()
    kind = next((kind for kind in kinds if kind is not type(None)), field.annotation)
    if typing.get_origin(kind) is Literal:
        yield from (word for word in typing.get_args(kind) if word != value)
    elif kind is bool:
        yield not value
    elif kind in (int, float):
        low, high = _bounds(field)
        middle = 1.0 if value is None else float(value)
        near = (middle / 2, middle - 1, middle + 1, 2 * middle, (middle + min(high, 1)) / 2)
        for number in near:
            candidate = int(number) if kind is int else number
            if candidate != value and low <= candidate <= high:
                yield candidate


def _bounds(field: FieldInfo) -> tuple[float, float]:
    """Smallest and largest value of a number; a bound that is excluded counts as allowed, and is refused later."""
    allowed = [(name, getattr(rule, name)) for rule in field.metadata for name in BOUNDS if hasattr(rule, name)]
    low = max((value for name, value in allowed if name in {"ge", "gt"}), default=-math.inf)
    high = min((value for name, value in allowed if name in {"le", "lt"}), default=math.inf)
    return low, high
