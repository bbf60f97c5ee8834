"""ART's attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from frontdef.attacks.art.black_box import BLACK_BOX
from frontdef.attacks.art.gradient import GRADIENT
from frontdef.attacks.art.minimum_norm import MINIMUM_NORM
from frontdef.attacks.library import AttackLibrary, Realization

TABLE: Mapping[tuple[str, str], Realization] = {**GRADIENT, **MINIMUM_NORM, **BLACK_BOX}


class ArtLibrary(AttackLibrary):
    """The Adversarial Robustness Toolbox."""

    name: ClassVar[str] = "art"
    distribution: ClassVar[str] = "adversarial-robustness-toolbox"
    read: ClassVar[str] = "1.20.1"

    def table(self) -> Mapping[tuple[str, str], Realization]:
        """What is offered."""
        return TABLE
