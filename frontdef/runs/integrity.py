"""Whether what a run folder holds is what was written: every file that run.json names, read and compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from frontdef.errors import StoreError
from frontdef.runs.head import Head, JobEntry
from frontdef.runs.kind import get_kind
from frontdef.runs.log import LOG
from frontdef.runs.packs import FOLDER, Pack
from frontdef.runs.store import HEAD, LOCK, REPORT, Store
from frontdef.runs.table import Table

CLEAN = "clean"
"""The folder of the images, which are written before any job is run."""

AGAIN = "the same command makes it again"


@dataclass(frozen=True)
class Damage:
    """A file that is not what was written.

    Args:
        what: What it belongs to.
        why: What is wrong with it, with its path and the mend.
    """

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True)
class Integrity:
    """What came of it.

    Args:
        read: How many files were read.
        missing: How many jobs have not been run.
        damaged: The files that are not what was written.
        unnamed: Files that run.json does not name: results of earlier plans, or files of somebody else.
    """

    read: int
    missing: int
    damaged: tuple[Damage, ...]
    unnamed: tuple[Path, ...]


def inspect(store: Store) -> Integrity:
    """Read every file that run.json names, and compare keys, tables, columns and checksums.

    Args:
        store: The run folder.

    Raises:
        StoreError: No run was begun here, or run.json itself is damaged.
    """
    head = store.require_head()
    tables = {table.name: table for table in get_kind(head.kind).tables}
    read, missing = 0, 0
    damaged: list[Damage] = []
    named = {store.root / name for name in (HEAD, LOCK, LOG, REPORT)}
    alone = {name: store.alone(name) for name in tables}
    packed: set[str] = set()
    for name, table in tables.items():
        for path in sorted((store.root / name / FOLDER).glob("*.parquet")):
            named.add(path)
            read += 1
            try:
                packed.update(_pack(Pack(path, name), table, store, alone[name]))
            except StoreError as error:
                damaged.append(Damage(f"a pack of {name}", str(error)))
    for what, path, check in _files(store, head, tables):
        named.add(path)
        if path.suffix == ".parquet" and path.stem in packed and not os.path.lexists(path):
            continue
        if not os.path.lexists(path) and path.parent.name != CLEAN:
            missing += path.suffix == ".parquet"
            continue
        read += 1
        try:
            check()
        except StoreError as error:
            damaged.append(Damage(what, str(error)))
    unnamed = sorted(path for path in store.root.rglob("*") if path.is_file() and path not in named)
    return Integrity(read, missing, tuple(damaged), tuple(unnamed))


def _files(store: Store, head: Head, tables: dict[str, Table]) -> Iterator[tuple[str, Path, Callable[[], Any]]]:
    """What a file belongs to, where it is, and what reads it."""
    for name, key in head.samples.items():
        yield f"images of {name}", store.root / CLEAN / f"{key}.safetensors", partial(store.open_tensors, CLEAN, key)
    for job in head.jobs:
        rows, tensors = store.path(job.table, job.key), store.root / job.table / f"{job.key}.safetensors"
        failure = store.root / "failures" / f"{job.key}.json"
        if failure.is_file() and not os.path.lexists(rows):
            yield job.what, failure, partial(store.failure, job.key)
            continue
        yield job.what, rows, partial(_rows, store, job, tables[job.table], tensors)
        yield job.what, tensors, partial(store.open_tensors, job.table, job.key)


def _pack(pack: Pack, table: Table, store: Store, alone: set[str]) -> list[str]:
    """The jobs that a pack holds, once its checksum and its columns are found right."""
    block = pack.load()
    if set(block.rows.column_names) != set(table.stored):
        raise StoreError(f"{pack.path} has other columns than the table {table.name}: delete it, and {AGAIN}")
    for key, count in zip(block.keys, block.counts, strict=True):
        if table.tensors and count and key not in alone and not store.has_tensors(table.name, key):
            raise StoreError(
                f"{store.tensor_path(table.name, key)} is missing beside its rows, which {pack.path} holds: `frontdef "
                f"run … --overwrite --only {key}` makes it again"
            )
    return list(block.keys)


def _rows(store: Store, job: JobEntry, table: Table, tensors: Path) -> None:
    rows, _ = store.read(job.table, job.key)
    path = store.path(job.table, job.key)
    if set(rows.column_names) != set(table.stored):
        raise StoreError(f"{path} has other columns than the table {table.name}: delete it, and {AGAIN}")
    if table.tensors and len(rows) and not tensors.is_file():
        raise StoreError(f"{tensors} is missing beside its rows: delete {path}, and {AGAIN}")
