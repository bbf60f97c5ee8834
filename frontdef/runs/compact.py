"""Many small files of a run folder into few, while others read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontdef.errors import StoreError
from frontdef.runs.packs import RowBlock, joined
from frontdef.runs.sealed import same_rows
from frontdef.runs.store import Store
from frontdef.whole import delete

LARGE = 1 << 22
"""Bytes from which on a file is not small."""


@dataclass(frozen=True)
class Compacted:
    """What came of it.

    Args:
        files: Files that are gone.
        packs: Files in their place.
    """

    files: int
    packs: int


def compact(store: Store) -> Compacted:
    """Put the rows of jobs that have small files of their own into packs.

    A pack is written under a temporary name and renamed, then read again and compared; only then are the files deleted
    whose rows it holds. Whoever reads meanwhile finds each job in its file or in the pack; a compaction that is killed
    leaves both, and the same command deletes the rest.

    Args:
        store: The run folder; nobody else may write it meanwhile.

    Raises:
        StoreError: A file is damaged, the folder can't be written, or another process writes it.
    """
    head = store.require_head()
    files = packs = 0
    with store.hold():
        store.sweep()
        for table in dict.fromkeys(entry.table for entry in head.jobs):
            alone = store.alone(table)
            keys = [
                entry.key
                for entry in head.jobs
                if entry.table == table and entry.key in alone and _small(store, table, entry.key)
            ]
            if len(keys) < 2:
                continue
            store.packs.drop(table, keys)  # a job's own file is newer than what a pack says of it
            for block in joined((key, *store.read(table, key)) for key in keys):
                _pack(store, table, block)
                packs += 1
                for key in block.keys:
                    delete(store.path(table, key))
                files += len(block.keys)
    return Compacted(files, packs)


def _small(store: Store, table: str, key: str) -> bool:
    return store.path(table, key).stat().st_size < LARGE


def _pack(store: Store, table: str, block: RowBlock) -> None:
    path = store.packs.write(table, block)
    pack = next(pack for pack in store.packs.of(table) if pack.path == path)
    written = pack.load()
    same: Sequence[bool] = (
        list(written.keys) == list(block.keys),
        list(written.counts) == list(block.counts),
        list(written.abouts) == list(block.abouts),
        same_rows(written.rows, block.rows),
    )
    if not all(same):
        raise StoreError(f"{path} does not hold what was written to it: look after the disk; nothing was deleted")
