"""Where jobs are run: in this process, or in others that can be killed when a job takes too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from frontdef.runs.inventory import Outcome
from frontdef.runs.job import Job

Announce = Callable[[Job], None]
"""Told when a job is begun."""


class Executor(Protocol):
    """Runs jobs that share their first model."""

    def run(self, jobs: Sequence[Job], started: Announce) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs and yield each as it ends.

        Args:
            jobs: Whose models are trained.
            started: Told when a job is begun.

        Raises:
            StoreError: The run folder can't be written.
        """

    def close(self) -> None:
        """End whatever is still running."""
