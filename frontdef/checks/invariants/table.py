"""The table of checks: the files of `checks` fill it, in the order in which they are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdef.checks.kit import Checks

if TYPE_CHECKING:
    from frontdef.checks.invariants.trial import Trial

CHECKS: Checks[Trial] = Checks()
"""What a right implementation does, whatever it is an implementation of; the meaning of each is what it asks."""
