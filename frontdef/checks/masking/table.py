"""The table of checks: the files of `checks` fill it, in the order in which they are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdef.checks.kit import Checks

if TYPE_CHECKING:
    from frontdef.checks.masking.evidence import Evidence

CHECKS: Checks[Evidence] = Checks()
"""Questions that a lying gradient answers wrongly; the meaning of each is what its alarm says about the model."""
