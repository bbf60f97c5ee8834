"""A job: one result, a pure function of what its key hashes. The unit of resume, of failure and of distribution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from frontdef.models.fingerprint import digest
from frontdef.models.request import Request
from frontdef.runs.table import Rows, Table

if TYPE_CHECKING:
    from frontdef.runs.inventory import Inventory


class BatchSize(NamedTuple):
    """Images that pass through a model at once, and whether their gradients do."""

    images: int
    gradients: bool


class Job(ABC):
    """What every kind of work gives the runner; whatever it raises is recorded as its failure."""

    @property
    @abstractmethod
    def table(self) -> Table:
        """Where its rows go."""

    @property
    @abstractmethod
    def models(self) -> tuple[Request, ...]:
        """What must be loaded before it starts and before its time limit does. Jobs of one first model run together."""

    @abstractmethod
    def decides(self) -> Mapping[str, Any]:
        """All that decides the result, JSON values: the code that computes it, the models, the samples, versions."""

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """What ``run.json`` says of it, whether or not it has been run: ids and numbers by which it is found."""

    @abstractmethod
    def run(self, inventory: Inventory) -> Rows:
        """Do it.

        Args:
            inventory: The models, loaded, and the samples.
        """

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        return digest({"table": self.table.name, **self.decides()})

    @property
    def passes(self) -> float | None:
        """Forward and backward passes through its first model, each counted, in all; None where that is unknown."""
        return None

    @property
    def alike(self) -> tuple[Any, ...]:
        """What the same work on another model has in common with it, to estimate its time."""
        return self.table.name, self.place[1]

    @property
    def size(self) -> int:
        """Samples that it works on; its time grows with them."""
        return 1

    def bytes(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """What it will write beside a file of a few rows, about.

        Args:
            shapes: Id of a data set → ``(C,H,W)`` of its images.
        """
        return 0

    @property
    @abstractmethod
    def place(self) -> tuple[str, str]:
        """Its row and its column in the grid that fills while a run works."""

    @property
    def batch(self) -> BatchSize | None:
        """What passes through a model at once; None where images pass without gradients, as `at_once` has it."""
        return None

    def note(self, about: Mapping[str, Any]) -> str:
        """What did not go as asked in a job that is done; empty where all did.

        Args:
            about: What is known of it.
        """
        return ""

    def tell(self, about: Mapping[str, Any]) -> str:
        """What is said when it is done, in a few words.

        Args:
            about: What is known of it, with ``wall``, the seconds that it took.
        """
        return f"{about['wall']:.1f} s"
