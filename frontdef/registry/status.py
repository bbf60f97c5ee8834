"""What is known of one plugin: its row in ``frontdef plugins``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from frontdef.errors import FrontdefError

State = Literal["ok", "failed", "incompatible", "duplicate", "disabled"]


@dataclass(frozen=True)
class PluginStatus:
    """One plugin.

    Args:
        name: Its entry point's name.
        distribution: The distribution that it comes from.
        version: The distribution's version.
        status: ``ok``; ``failed``: it raised or broke the contract; ``incompatible``: it wants another frontdef, and
            was not imported; ``duplicate``: it shares a name with another plugin; ``disabled``: ``FRONTDEF_PLUGINS``
            leaves it out, and it was not imported.
        reason: Why; also what is worth knowing of a plugin that is ok.
        mend: What to do about it.
        disable: The setting that leaves it out while the others stay; empty for frontdef's own.
        offers: Kind in the plural ("defenses") → ids.
    """

    name: str
    distribution: str
    version: str
    status: State = "ok"
    reason: str = ""
    mend: str = ""
    disable: str = ""
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def pin(self) -> str:
        """The requirement that installs exactly this: ``distribution==version``."""
        return f"{self.distribution}=={self.version}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        offers = {kind: list(ids) for kind, ids in self.offers.items()}
        return {**vars(self), "offers": offers}


class PluginError(FrontdefError):
    """Plugins are broken, missing or contradict each other, and that was asked to be an error."""


class FaultError(Exception):
    """Why a plugin is not taken, or not wholly; becomes its row and never leaves the registry.

    Args:
        status: Its status.
        reason: Why.
        mend: What to do about it.
    """

    def __init__(self, status: State, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.status: State = status
        self.reason = reason
        self.mend = mend
