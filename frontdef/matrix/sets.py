"""Sets of attacks by name: ``quick``, ``standard``, ``thorough``; what is in them stands in ``attacks.toml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from frontdef.attacks.spec import make_spec
from frontdef.config import Config, build, field
from frontdef.errors import UnknownNameError
from frontdef.matrix.entries import AttackEntry
from frontdef.registry import get_family
from frontdef.threat import Norm, check_norm
from frontdef.toml import parse_toml


class SetEntry(Config):
    """An attack of a set."""

    family: str = field(description="id of the attack family")
    parameters: dict[str, Any] = field(default_factory=dict, description="parameters of the family")


class AttackSet(Config):
    """A set of attacks."""

    summary: str = field(description="what it is for")
    attack: tuple[SetEntry, ...] = field(min_length=1, description="the attacks")

    def entries(self, radii: Mapping[Norm, Sequence[float | str]]) -> tuple[AttackEntry, ...]:
        """The attacks in every norm that is asked for, where their families exist.

        Args:
            radii: Norm → radii.
        """
        return tuple(
            AttackEntry(family=entry.family, norm=norm, eps=tuple(eps), parameters=entry.parameters)
            for norm, eps in radii.items()
            for entry in self.attack
            if check_norm(norm) in get_family(entry.family).norms
        )

    def passes(self, norm: str) -> int:
        """Forward and backward passes a sample and library that its attacks ask for in a norm, at most.

        Args:
            norm: The norm.
        """
        eps = 1.0 if norm == "spatial" else 0.1
        families = ((entry, get_family(entry.family)) for entry in self.attack)
        specs = (
            make_spec(family, norm, eps, entry.parameters)
            for entry, family in families
            if check_norm(norm) in family.norms
        )
        return sum(spec.passes for spec in specs)


@lru_cache(maxsize=1)
def attack_sets() -> Mapping[str, AttackSet]:
    """Name → set."""
    text = resources.files("frontdef.matrix").joinpath("attacks.toml").read_text(encoding="utf-8")
    return {
        name: build(AttackSet, values, f"attack set {name!r}")
        for name, values in parse_toml(text, "attacks.toml").items()
    }


def get_attack_set(name: str) -> AttackSet:
    """The set of a name.

    Raises:
        UnknownNameError: There is none; the nearest is named.
    """
    sets = attack_sets()
    if name not in sets:
        raise UnknownNameError("set of attacks", name, sets, "Or [[attack]] entries of your own.")
    return sets[name]
