"""``run.log``: a line for each job that is started and for each that ends, so that others see what a run is doing."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.reading import append_line, read_bounded

if TYPE_CHECKING:
    from frontdef.models.request import Request
    from frontdef.runs.job import Job
    from frontdef.runs.progress import Progress

LOG = "run.log"

LARGEST = 1 << 28
"""Bytes that are read of it: 100,000 jobs write a tenth of that."""

BEGUN, STARTED, DONE, FAILED = "begun", "started", "done", "failed"


class LoggedProgress:
    """Writes what happens into the run folder, and tells whoever is told of it.

    Args:
        progress: Who is told.
        root: The run folder. Where it can't be written, nothing is logged, and nothing else is hindered.
    """

    def __init__(self, progress: Progress, root: Path) -> None:
        self._progress = progress
        self._path = root / LOG

    def note(self, lines: Sequence[str]) -> None:
        """Pass it on."""
        self._progress.note(lines)

    def begin(self, jobs: Sequence[Job], settled: int) -> None:
        """Say of how many jobs how many were there."""
        self._write(BEGUN, "", f"{settled} of {len(jobs)}")
        self._progress.begin(jobs, settled)

    def training(self, request: Request, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """Say that a model is trained, once."""
        if epoch == epochs:
            self._write("trained", "", str(request))
        self._progress.training(request, epoch, epochs, loss, accuracy)

    def waiting(self, request: Request, holder: str) -> None:
        """Say who is waited for."""
        self._write("waiting", "", f"for {holder}, which trains {request}")
        self._progress.waiting(request, holder)

    def started(self, job: Job) -> None:
        """Say which job is being run."""
        self._write(STARTED, job.key, str(job))
        self._progress.started(job)

    def done(self, job: Job, about: Mapping[str, Any]) -> None:
        """Say that it is stored."""
        self._write(DONE, job.key, job.tell(about))
        self._progress.done(job, about)

    def failed(self, job: Job, error: str) -> None:
        """Say that it failed."""
        self._write(FAILED, job.key, error.strip().rpartition("\n")[2])
        self._progress.failed(job, error)

    def end(self) -> None:
        """Pass it on."""
        self._progress.end()

    def _write(self, event: str, key: str, words: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = "\t".join((now, event, key, " ".join(words.split())))
        with contextlib.suppress(OSError):
            append_line(self._path, line)


@dataclass(frozen=True)
class Started:
    """A job that was started and has not ended.

    Args:
        key: Its key.
        what: It in words.
        since: When, ISO 8601.
    """

    key: str
    what: str
    since: str


def unfinished(root: Path) -> tuple[Started, ...]:
    """The jobs that the last run into a folder started and did not end, in their order.

    Args:
        root: The run folder; one without a log has none.
    """
    try:
        lines = read_bounded(root / LOG, LARGEST).decode("utf-8", "replace").splitlines()
    except OSError:
        return ()
    open_jobs: dict[str, Started] = {}
    for line in lines:
        time, event, key, what = (*line.split("\t", 3), "", "", "", "")[:4]
        if event == BEGUN:
            open_jobs.clear()
        elif event == STARTED:
            open_jobs[key] = Started(key, what, time)
        elif event in {DONE, FAILED}:
            open_jobs.pop(key, None)
    return tuple(open_jobs.values())
