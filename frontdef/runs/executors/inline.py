"""One job after the other in this process: no time limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frontdef.models.request import Request
    from frontdef.runs.executors import Announce
    from frontdef.runs.inventory import Inventory, Outcome
    from frontdef.runs.job import Job
    from frontdef.runs.store import Store


class Inline:
    """Runs jobs in this process.

    Args:
        inventory: Models and samples.
        store: The run folder.
    """

    whole = False

    def __init__(self, inventory: Inventory, store: Store) -> None:
        self.inventory = inventory
        self.store = store

    def prepare(self, request: Request) -> str:
        """Load or train a model."""
        return self.inventory.prepare(request)

    def run(self, jobs: Sequence[Job], started: Announce) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs in their order."""
        for job in jobs:
            started(job)
            yield job, self.inventory.attempt(job, self.store)

    def close(self) -> None:
        """Nothing is left running."""
