"""Which test shows which difference or caveat of a table."""

from __future__ import annotations

PINNED: set[tuple[str, str, str, str]] = set()
"""Library, family, norm, ``difference`` or ``caveat``."""


def pins(library: str, *rows: tuple[str, str], caveat: bool = False):
    """Mark a test as the one that shows what some rows name."""
    PINNED.update((library, *row, "caveat" if caveat else "difference") for row in rows)
    return lambda test: test
