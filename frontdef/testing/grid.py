"""What is tested: one grid of libraries, attacks and defenses, filled from the registry."""

from __future__ import annotations

from collections.abc import Iterable

from frontdef.attacks.library import AttackLibrary
from frontdef.defense import Defense
from frontdef.errors import MissingExtraError
from frontdef.registry import get_attack_libraries, get_defenses

CORE = ("native", "art", "foolbox", "torchattacks")
"""The libraries whose adapters frontdef brings."""

Row = tuple[str, str, str]
"""Library, family and norm."""


def libraries(names: Iterable[str] | None = None) -> dict[str, AttackLibrary]:
    """Attack libraries that are installed, by name.

    Args:
        names: Only these; all that the registry has if absent.
    """
    chosen = None if names is None else set(names)
    return {
        name: library
        for name, library in get_attack_libraries().items()
        if (chosen is None or name in chosen) and _installed(library)
    }


def attack_rows(names: Iterable[str] | None = None) -> list[Row]:
    """Every row of every library's table.

    Args:
        names: Of these libraries only.
    """
    return [(name, *row) for name, library in libraries(names).items() for row in library.table()]


def defenses() -> list[Defense]:
    """Every defense that is registered, those of plugins included."""
    return list(get_defenses())


def _installed(library: AttackLibrary) -> bool:
    try:
        library.version()
    except MissingExtraError:
        return False
    return True
