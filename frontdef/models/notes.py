"""What is worth knowing of a model that is taken all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["note", "warning"]


@dataclass(frozen=True)
class Note:
    """One thing.

    Args:
        about: What it is about, one word: ``weights``, ``precision``, ``hooks``, ``output``, ….
        text: A sentence or two; a warning names its mend.
        severity: ``warning`` where a result may mean something else than it seems to.
    """

    about: str
    text: str
    severity: Severity = "note"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"about": self.about, "text": self.text, "severity": self.severity}
