"""ART's own preprocessors as frontdef defenses, each with a surrogate gradient that reaches the attacker."""

from __future__ import annotations

import frontdef
from frontdef_art.table import DEFENSES


@frontdef.hookimpl
def frontdef_defenses() -> tuple[frontdef.Defense, ...]:
    """One defense a row of the table."""
    return DEFENSES
