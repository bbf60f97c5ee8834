"""ART's attacks without gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frontdef.attacks.library import Realisation

BLACK_BOX: Mapping[tuple[str, str], Realisation] = {}
