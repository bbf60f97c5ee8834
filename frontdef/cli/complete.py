"""Names that the shell completes: what the core and the installed plugins offer, by click's own completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click


def _offered(kind: str) -> list[str]:
    from frontdef import registry

    rows = registry.plugins("guarded")
    return sorted({name for row in rows for name in row.offers.get(kind, ())})


def _libraries() -> list[str]:
    from frontdef import registry

    return sorted(registry.get_attack_libraries())


NAMES: Mapping[str, Callable[[], list[str]]] = {
    "defense": lambda: _offered("defenses"),
    "data set": lambda: _offered("data sets"),
    "classifier": lambda: _offered("classifiers"),
    "library": _libraries,
    "logger": lambda: _offered("loggers"),
}
"""What is named → the names that there are."""


def names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What completes a word, or the last of several that commas part; where nothing can be listed, nothing does it.

    Args:
        kind: A row of `NAMES`.
    """

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        before, comma, word = incomplete.rpartition(",")
        try:
            known = NAMES[kind]()
        except Exception:  # a shell that waits for a word is no place for an error
            return []
        return [f"{before}{comma}{name}" for name in known if name.startswith(word)]

    return complete
