"""A row of the matrix: what every job on it needs to know of the model, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontdef.matrix.entries import DefenseEntry
from frontdef.models.request import Request


@dataclass(frozen=True)
class Row:
    """A defended model of the matrix.

    Args:
        request: The model: data set, classifier, defense, and how it was trained, if it was.
        entry: What the matrix says of it.
        classifier: The matrix's classifier or model in whose table the row stands; a defense may have another one
            behind it.
        data: Hash of what decides the test images.
    """

    request: Request
    entry: DefenseEntry
    classifier: str
    data: str

    @property
    def dataset(self) -> str:
        """Id of the data set."""
        return self.request.dataset

    def describe(self) -> Mapping[str, Any]:
        """The columns by which its results are found."""
        return {"dataset": self.dataset, "classifier": self.classifier, "defense": self.entry.title}

    def __str__(self) -> str:
        return f"{self.dataset} {self.request.classifier} {self.entry.title}"
