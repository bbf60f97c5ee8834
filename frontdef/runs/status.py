"""How far a run is, from names of files and the log alone: no result is read, and whoever works is not hindered."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frontdef.errors import StoreError
from frontdef.lock import Holder, read_holder
from frontdef.runs.log import Started, unfinished
from frontdef.runs.store import LOCK, Store


@dataclass(frozen=True)
class Count:
    """Jobs of one table, or of all.

    Args:
        asked: How many there are.
        done: How many are stored.
        failed: How many are recorded as failed.
        running: How many are being run.
    """

    asked: int
    done: int
    failed: int
    running: int = 0

    @property
    def left(self) -> int:
        """Those that nobody has begun."""
        return self.asked - self.done - self.failed - self.running


@dataclass(frozen=True)
class Worker:
    """A process that works on a folder, or the last one that did.

    Args:
        path: The folder.
        holder: Who holds it; None where nobody does.
        alive: Whether that process runs, where that can be told: it can't of another machine's.
        jobs: What it has started and not ended.
    """

    path: Path
    holder: Holder | None
    alive: bool | None
    jobs: tuple[Started, ...]

    @property
    def works(self) -> bool:
        """Whether anybody may be at work."""
        return self.holder is not None and self.alive is not False


@dataclass(frozen=True)
class Status:
    """A run, in one folder or in the folders of its shards.

    Args:
        name: Of the run.
        command: The command line that goes on with it.
        tables: Table → its jobs.
        workers: One a folder.
        failures: Words of the jobs that failed.
    """

    name: str
    command: str
    tables: dict[str, Count]
    workers: tuple[Worker, ...]
    failures: tuple[str, ...]

    @property
    def total(self) -> Count:
        """All jobs."""
        counts = self.tables.values()
        return Count(
            *(sum(getattr(count, name) for count in counts) for name in ("asked", "done", "failed", "running"))
        )


def status_of(paths: Sequence[Path]) -> Status:
    """Look at a run.

    Args:
        paths: Its folder, or those of its shards: what is done in any of them is done.

    Raises:
        StoreError: No run there, a damaged one, or shards of different plans.
    """
    stores = [Store(path) for path in paths]
    heads = [store.require_head() for store in stores]
    jobs = {(job.table, job.key): job.what for job in heads[0].jobs}
    for path, head in zip(paths, heads, strict=True):
        if {(job.table, job.key) for job in head.jobs} != jobs.keys():
            raise StoreError(f"{path} is no shard of the plan of {paths[0]}: ask for each by itself")
    workers = tuple(map(_worker, stores))
    active = {job.key for worker in workers if worker.works for job in worker.jobs}
    done = {name: set().union(*(store.done(name) for store in stores)) for name, _ in jobs}
    failed = {key for name, key in jobs if key not in done[name] and any(store.failed(key) for store in stores)}
    tables = {}
    for table in dict.fromkeys(name for name, _ in jobs):
        keys = {key for name, key in jobs if name == table}
        finished, lost = keys & done[table], keys & failed
        tables[table] = Count(len(keys), len(finished), len(lost), len(keys & active - finished - lost))
    return Status(
        heads[0].name, heads[0].command, tables, workers, tuple(w for (_, k), w in jobs.items() if k in failed)
    )


def _worker(store: Store) -> Worker:
    holder = read_holder(store.root / LOCK)
    return Worker(store.root, holder, _alive(holder), unfinished(store.root))


def _alive(holder: Holder | None) -> bool | None:
    """Whether a process runs; None where it is another machine's."""
    if holder is None:
        return False
    if holder.host != platform.node():
        return None
    try:
        os.kill(holder.process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
