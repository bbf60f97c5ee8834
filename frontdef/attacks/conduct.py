"""What an attack did beside attacking."""

from __future__ import annotations

from dataclasses import dataclass, field

OTHER_TYPE = "returned another type"
"""How the fault begins that spoils no comparison: examples are verified as float32 whatever they came as."""


@dataclass
class Conduct:
    """What an attack did beside attacking.

    Args:
        faults: What it changed and should not have, each named once.
    """

    faults: list[str] = field(default_factory=list)

    def note(self, fault: str) -> None:
        """Record a fault."""
        if fault not in self.faults:
            self.faults.append(fault)
