"""Which invariants a library's current release is known to break: what the rows of its table say."""

from __future__ import annotations

from frontdef.registry import get_attack_libraries


def violated(library: str, family: str, norm: str) -> tuple[str, ...]:
    """Names of the checks that a row of a library's table is known to violate.

    Args:
        library: Its id; of one that is not installed nothing is known.
        family: The family's name.
        norm: The norm.
    """
    installed = get_attack_libraries().get(library)
    row = installed.offers(family, norm) if installed else None
    return tuple(violation.check for violation in (row and row.violations) or ())
