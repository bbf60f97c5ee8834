"""What SLURM has in its queue: where it keeps no accounts, nothing else tells that a worker was killed."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Collection

LOOK = 30.0
"""Seconds between two questions to SLURM."""

LOOKS = 2
"""In so many looks, one after the other, a task must be missing: what it stored last may be seen late."""


class Queue:
    """The tasks of this user that wait or run."""

    def __init__(self) -> None:
        self._next = 0.0
        self._missed: Counter[str] = Counter()

    def gone(self, tasks: Collection[str]) -> set[str]:
        """Which tasks SLURM neither runs nor will run.

        Args:
            tasks: As SLURM names them: the number of a job, or ``NUMBER_INDEX`` of one in an array.
        """
        if time.monotonic() >= self._next:
            listed = _listed()
            self._next = time.monotonic() + LOOK
            if listed is not None:
                self._missed = Counter({task: self._missed[task] + 1 for task in tasks if task not in listed})
        return {task for task, looks in self._missed.items() if looks >= LOOKS}


def _listed() -> set[str] | None:
    """None where SLURM does not answer."""
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}"]
    try:
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    except (OSError, subprocess.CalledProcessError):
        return None
