"""Where models are trained and jobs are run: in this process, or in others that can be killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from frontdef.models.request import Request
    from frontdef.runs.inventory import Outcome
    from frontdef.runs.job import Job

    Announce: TypeAlias = Callable[[Job], None]
    """Told when a job is begun."""


EXECUTORS: Mapping[str, str] = {
    "inline": "frontdef.runs.executors.make:inline",
    "processes": "frontdef.runs.executors.make:processes",
    "ray": "frontdef.runs.executors.make:ray",
    "slurm": "frontdef.runs.executors.make:slurm",
    "submitit-local": "frontdef.runs.executors.make:submitit_local",
}
"""Name → ``(plan, settings, inventory, store, progress) -> Executor``; a new one is a row here."""


class Executor(Protocol):
    """Runs jobs."""

    whole: bool
    """Whether it takes the jobs of all models at once and loads models itself; otherwise those of one at a time."""

    def prepare(self, request: Request) -> str:
        """Make a model available to the jobs: read from the cache, or trained.

        Args:
            request: Which.

        Returns:
            Why it can't be had: a traceback, or what killed it; empty where it can.

        Raises:
            UnwritableError: The cache can't be written.
        """

    def run(self, jobs: Sequence[Job], started: Announce) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs and yield each as it ends.

        Args:
            jobs: Those whose models were prepared, of one model; or all, where it takes the whole.
            started: Told when a job is begun.

        Raises:
            UnwritableError: The run folder can't be written.
        """

    def close(self) -> None:
        """End whatever is still running."""
