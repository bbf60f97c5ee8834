"""A plan: jobs, the samples that they share, and the document that they were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.models.fingerprint import digest
from frontdef.models.own import BroughtModel
from frontdef.models.request import Request
from frontdef.registry import get_dataset
from frontdef.runs.job import Job

if TYPE_CHECKING:
    from frontdef.datasets import Split


@dataclass(frozen=True)
class Samples:
    """Test samples, the same ones for every job.

    Args:
        dataset: Id of the data set.
        count: How many; None takes all.
        seed: Decides which.
    """

    dataset: str
    count: int | None
    seed: int

    @property
    def key(self) -> str:
        """Under which their images are kept: a hash, because an id may hold anything."""
        return digest({"dataset": get_dataset(self.dataset).describe(), "count": self.count, "seed": self.seed})

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C,H,W)``."""
        return get_dataset(self.dataset).image_shape

    def __len__(self) -> int:
        return self.count or get_dataset(self.dataset).n_test or 0

    def load(self, data: Path | None, download: bool) -> Split:
        """Read them.

        Args:
            data: Folder of the data sets; None takes ``FRONTDEF_DATA``.
            download: Whether it may be downloaded.

        Raises:
            DataError: The data set is missing or damaged.
            ConfigError: More than there are.
        """
        return get_dataset(self.dataset).load("test", root=data, download=download, samples=self.count, seed=self.seed)


@dataclass(frozen=True, eq=False)
class Held:
    """Samples that are at hand.

    Args:
        split: The samples.
        kept: Key under which a run folder has them; None of samples that no run has yet.
    """

    split: Split
    kept: str | None = None

    @cached_property
    def key(self) -> str:
        """Hash of images, labels, ids and names of classes."""
        return self.kept or self.split.digest()

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C,H,W)``."""
        return tuple(self.split.images.shape[1:])

    def __len__(self) -> int:
        return len(self.split)

    def load(self, data: Path | None, download: bool) -> Split:
        """As they are."""
        return self.split


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be done.

    Args:
        kind: Name of its kind.
        name: Of the run.
        document: The matrix or the study, JSON values.
        jobs: In the order in which they are run; those of one model stand together.
        samples: Id of a data set → its test samples.
        device: Type of device.
        radii: Norm → the radii at which examples are judged.
        skipped: What no job was made for, and why, one line each.
        brought: Models that somebody else trained, looked at before any job is run.
        twins: Jobs whose results are those of a job of the same key, under other names: not run, but told of.
    """

    kind: str
    name: str
    document: Mapping[str, Any]
    jobs: Sequence[Job]
    samples: Mapping[str, Samples | Held]
    device: str = "cpu"
    radii: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    brought: tuple[BroughtModel, ...] = ()
    twins: tuple[Job, ...] = ()

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Id of a data set → ``(C,H,W)`` of its images."""
        return {name: samples.image_shape for name, samples in self.samples.items()}

    def of(self, *tables: str) -> tuple[Any, ...]:
        """The jobs that fill some tables."""
        return tuple(job for job in self.jobs if job.table.name in tables)

    def left_out(self) -> list[str]:
        """What no job was made for, one line a reason."""
        groups: dict[str, list[str]] = {}
        for line in self.skipped:
            what, _, reason = line.partition(": ")
            groups.setdefault(reason, []).append(what)
        return [f"left out: {_together(names)}: {reason}" for reason, names in groups.items()]

    @cached_property
    def by_key(self) -> Mapping[str, Job]:
        """Key → job."""
        return {job.key: job for job in self.jobs}

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        """The models, each once."""
        return tuple({request.key(): request for job in self.jobs for request in job.models}.values())


def _together(names: Sequence[str]) -> str:
    """Names with the words that all begin and end with said once: ``defense hah, lowrank before mine on digits``."""
    words = [name.split() for name in names]
    fewest = min(map(len, words)) - 1
    lead = next((k for k in range(fewest) if len({name[k] for name in words}) > 1), fewest)
    rest = fewest - lead
    tail = next((k for k in range(rest) if len({name[-1 - k] for name in words}) > 1), rest)
    middles = ", ".join(" ".join(name[lead : len(name) - tail]) for name in words)
    return " ".join([*words[0][:lead], middles, *words[0][len(words[0]) - tail :]])
