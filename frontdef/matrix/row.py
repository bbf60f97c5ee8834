"""A row of the matrix, and what all kinds of jobs on it have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from frontdef._version import __version__
from frontdef.attacks.spec import AttackSpec
from frontdef.matrix.entries import AttackEntry, DefenseEntry, Matrix
from frontdef.models.fingerprint import computing
from frontdef.models.request import Request
from frontdef.runs.job import Job


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

    def details(self) -> Mapping[str, Any]:
        """What a cell's columns say of the model beside its names."""
        return {
            "network": self.request.classifier,
            "training": self.request.training,
            "defense_id": self.entry.name,
        }

    def __str__(self) -> str:
        return f"{self.dataset} {self.request.classifier} {self.entry.title}"


@dataclass(frozen=True)
class Asked:
    """What a matrix asks of each of its rows: what every kind of job is made from.

    Args:
        matrix: The matrix.
        columns: Its attacks, as they are written and as they are run.
        libraries: Ids of the attack libraries that take part.
        radii: Norm → the radii that it names, ascending.
        device: Type of device.
        skipped: What no job is made for, and why, one line each; kinds add to it.
    """

    matrix: Matrix
    columns: Sequence[tuple[AttackEntry, AttackSpec]]
    libraries: tuple[str, ...]
    radii: Mapping[str, tuple[float, ...]]
    device: str
    skipped: dict[str, None]


@dataclass(frozen=True)
class RowJob(Job):
    """A job on a row: about one defended model, on the first of the run's test images.

    Args:
        row: The defended model.
        samples: Number of test images.
        sample_seed: Decides which.
    """

    row: Row
    samples: int
    sample_seed: int

    shared: ClassVar[bool] = True
    """Whether rows that come to the same may share it; where they may not, nobody would learn that they are one."""

    @property
    @abstractmethod
    def column(self) -> str:
        """Its column in the grid that fills while a run works."""

    @property
    def models(self) -> tuple[Request, ...]:
        """The defended model."""
        return (self.row.request,)

    def decides(self) -> Mapping[str, Any]:
        """What decides the result of every kind: the model, the images, the version, the code."""
        return {
            "computing": computing(type(self).__module__, "frontdef.protected"),
            "model": self.row.request.key(),
            "data": self.row.data,
            "samples": self.samples,
            "sample_seed": self.sample_seed,
            "frontdef": __version__,
        }

    def describe(self) -> Mapping[str, Any]:
        """The columns by which its results are found."""
        return self.row.describe()

    @property
    def size(self) -> int:
        """Test images."""
        return self.samples

    @property
    def place(self) -> tuple[str, str]:
        """The model, and the column."""
        return f"{self.row.dataset} {self.row.entry.title}", self.column
