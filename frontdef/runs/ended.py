"""Whoever wants to be told of each job as it ends: a logger, a notebook, a message to somebody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.errors import ConfigError, FrontdefError
from frontdef.lazy import resolve
from frontdef.registry import get_logger

if TYPE_CHECKING:
    from frontdef.models.request import Request
    from frontdef.runs.job import Job
    from frontdef.runs.progress import Progress


@dataclass(frozen=True)
class JobEnded:
    """A job that has ended and is stored.

    Args:
        run: The run folder.
        key: Of the job.
        table: Where its rows are.
        what: It in words.
        describe: Ids and numbers by which it is found.
        about: What is known of it beside its rows; None where it failed.
        error: Its traceback where it failed.
    """

    run: Path
    key: str
    table: str
    what: str
    describe: Mapping[str, Any]
    about: Mapping[str, Any] | None
    error: str = ""


OnJob = Callable[[JobEnded], object]


def on_job_of(wanted: OnJob | str) -> OnJob:
    """Who is to be told.

    Args:
        wanted: A function, a reference to one ``"package.module:function"``, or the id of a logger.

    Raises:
        UnknownNameError: No plugin offers such a logger.
        ConfigError: A reference that leads nowhere, or whose module can't be imported.
    """
    if not isinstance(wanted, str):
        return wanted
    reference = wanted if ":" in wanted else get_logger(wanted).log
    try:
        called: OnJob = resolve(reference)
    except FrontdefError:
        raise
    except Exception as error:  # whatever its module does while it is imported
        raise ConfigError(f"on_job {wanted!r} can't be imported: {type(error).__name__}: {error}") from None
    if not callable(called):
        raise ConfigError(f"on_job {wanted!r} is a {type(called).__name__}, no function that can be told of a job")
    return called


class TellingProgress:
    """Tells somebody of each job that has ended, and passes everything on.

    Whatever the other raises is noted once, and it is told no more: a run is not lost to its log.

    Args:
        progress: Who is told of everything.
        run: The run folder.
        on_job: Who is told of jobs that have ended.
    """

    def __init__(self, progress: Progress, run: Path, on_job: OnJob) -> None:
        self._progress = progress
        self._run = run
        self._on_job: OnJob | None = on_job

    def note(self, lines: Sequence[str]) -> None:
        """Pass it on."""
        self._progress.note(lines)

    def begin(self, jobs: Sequence[Job], settled: int) -> None:
        """Pass it on."""
        self._progress.begin(jobs, settled)

    def training(self, request: Request, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """Pass it on."""
        self._progress.training(request, epoch, epochs, loss, accuracy)

    def waiting(self, request: Request, holder: str) -> None:
        """Pass it on."""
        self._progress.waiting(request, holder)

    def started(self, job: Job) -> None:
        """Pass it on."""
        self._progress.started(job)

    def done(self, job: Job, about: Mapping[str, Any]) -> None:
        """Pass it on, and tell."""
        self._progress.done(job, about)
        self._tell(job, about)

    def failed(self, job: Job, error: str) -> None:
        """Pass it on, and tell."""
        self._progress.failed(job, error)
        self._tell(job, None, error)

    def end(self) -> None:
        """Pass it on."""
        self._progress.end()

    def _tell(self, job: Job, about: Mapping[str, Any] | None, error: str = "") -> None:
        if self._on_job is None:
            return
        try:
            self._on_job(JobEnded(self._run, job.key, job.table.name, str(job), job.describe(), about, error))
        except Exception as fault:
            self._on_job = None
            self._progress.note([f"on_job raised {type(fault).__name__}: {fault}; it is told of no further job"])
