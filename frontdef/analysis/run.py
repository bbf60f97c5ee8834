"""The runner of a study: does what is missing, keeps what is done, goes on where it was stopped."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from frontdef._version import __version__
from frontdef.analysis.bench import Bench, head_of
from frontdef.analysis.study import Study
from frontdef.analysis.units import Unit
from frontdef.datasets import Split
from frontdef.errors import DataError, StoreError
from frontdef.matrix.attempt import Attempt
from frontdef.matrix.describe import versions
from frontdef.matrix.executor import Processes
from frontdef.matrix.run import check_device
from frontdef.protected import Protected


@dataclass(frozen=True)
class RunSettings:
    """How to run, as opposed to what.

    Args:
        out: The folder.
        device: ``cpu`` or ``cuda``.
        data: Folder of the data sets; None takes ``FRONTDEF_DATA``.
        cache: Folder of trained models; None takes ``FRONTDEF_CACHE`` or the user's cache folder.
        download: Whether data sets may be downloaded.
        command: The command line that repeats it, for the report.
        jobs: Processes that run units side by side; None runs them in this one.
        time_limit: Seconds that a unit may take before it is killed and recorded as failed; None for no limit.
    """

    out: Path
    device: str = "cpu"
    data: Path | None = None
    cache: Path | None = None
    download: bool = False
    command: str = "frontdef analyze"
    jobs: int | None = None
    time_limit: float | None = None


Progress = Callable[[int, int, Unit, Attempt], None]
"""``(done, total, unit, found)``, after each unit, stored or failed."""


@dataclass
class Summary:
    """What was done.

    Args:
        ran: Keys of the units that were run and stored.
        cached: Keys of those that were there already.
        failed: Keys of those that failed.
    """

    ran: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run_study(study: Study, settings: RunSettings, progress: Progress | None = None) -> Summary:
    """Run what is missing of a study. Every finished unit is kept, whatever happens after it.

    Args:
        study: What to look at.
        settings: How.
        progress: Told after each unit.

    Raises:
        ConfigError: The device is not there, a cut is out of range, more samples are asked for than there are.
        UnknownNameError: A name that does not exist.
        DataError: The data set is missing or damaged.
        StoreError: The folder or the cache can't be written.
    """
    check_device(settings.device)
    head = head_of(
        study,
        out=settings.out,
        device=settings.device,
        data=settings.data,
        cache=settings.cache,
        download=settings.download,
    )
    bench = Bench(head)
    units = tuple(bench.cells.values())
    bench.store.write_head(_about(study, settings, units))
    missing = [unit for unit in units if not bench.store.has(unit.table, unit.key)]
    summary = Summary(cached=[unit.key for unit in units if unit not in missing])
    for done, (unit, found) in enumerate(_run(bench, missing, head, settings), len(summary.cached) + 1):
        if found.about is None:
            bench.store.write_failure(unit.key, str(unit), found.error)
            summary.failed.append(unit.key)
        else:
            summary.ran.append(unit.key)
        if progress:
            progress(done, len(units), unit, found)
    return summary


def _run(
    bench: Bench, units: Sequence[Unit], head: Mapping[str, Any], settings: RunSettings
) -> Iterator[tuple[Unit, Attempt]]:
    """Train what is missing, model after model, then run the units of each."""
    executor = _executor(bench, head, settings)
    try:
        for _, same in groupby(units, lambda unit: unit.request.key()):
            mine = list(same)
            try:
                protected = bench.load(mine[0])
            except (StoreError, DataError):
                raise
            except Exception:
                yield from ((unit, Attempt(error=traceback.format_exc())) for unit in mine)
                continue
            yield from executor.run(mine, protected, bench.test, lambda _: None)
    finally:
        executor.close()


class _InProcess:
    """One unit after the other in this process, each on a model of its own: partial training changes it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def run(
        self, cells: Sequence[Unit], protected: Protected, split: Split, started: Callable[[Unit], None]
    ) -> Iterator[tuple[Unit, Attempt]]:
        """Run units in their order."""
        for unit in cells:
            started(unit)
            yield unit, self.bench.run(unit, self.bench.load(unit))

    def close(self) -> None:
        """Nothing is left running."""


def _executor(bench: Bench, head: Mapping[str, Any], settings: RunSettings) -> _InProcess | Processes:
    if settings.jobs is None and settings.time_limit is None:
        return _InProcess(bench)
    return Processes(head, jobs=settings.jobs or 1, limit=settings.time_limit)


def _about(study: Study, settings: RunSettings, units: tuple[Unit, ...]) -> Mapping[str, Any]:
    return {
        "frontdef": __version__,
        "versions": versions(),
        "device": settings.device,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": settings.command,
        "study": study.model_dump(mode="json"),
        "units": [
            {"key": unit.key, "table": unit.table, "what": str(unit), "model": unit.request.key()} for unit in units
        ],
    }
