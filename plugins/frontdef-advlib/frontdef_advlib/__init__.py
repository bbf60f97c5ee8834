"""adv-lib as an attack library of frontdef; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import frontdef

if TYPE_CHECKING:
    from frontdef.attacks.spec import Family


@frontdef.hookimpl
def frontdef_attacks() -> Iterable[str]:
    """Offer the library ``advlib``."""
    yield "frontdef_advlib.library:AdvLibrary"


@frontdef.hookimpl
def frontdef_families() -> Iterable[Family]:
    """Offer the families that only adv-lib has."""
    from frontdef_advlib.families import FAMILIES

    return FAMILIES
