"""One job after the other in this process: no time limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frontdef.runs.bench import Bench, Outcome
from frontdef.runs.executors import Announce
from frontdef.runs.job import Job
from frontdef.runs.store import Store


class Inline:
    """Runs jobs in this process.

    Args:
        bench: Models and samples.
        store: The run folder.
    """

    def __init__(self, bench: Bench, store: Store) -> None:
        self.bench = bench
        self.store = store

    def run(self, jobs: Sequence[Job], started: Announce) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs in their order."""
        for job in jobs:
            started(job)
            yield job, self.bench.attempt(job, self.store)

    def close(self) -> None:
        """Nothing is left running."""
