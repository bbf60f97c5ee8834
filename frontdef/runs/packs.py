"""Packs: the rows of many jobs in one Parquet file, ``TABLE/packs/HASH.parquet``, as `frontdef compact` writes them.

A pack is written once and never changed, so its name is a hash of its bytes. Its footer says which rows are whose, what
is known of each job, and a checksum over every byte. A job's own file, where there is one, is newer and goes first.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from frontdef.errors import StoreError
from frontdef.reading import open_file, parse_json, read_bounded
from frontdef.runs.sealed import LARGEST, THRIFT, rows_of, seal, unseal
from frontdef.whole import write_whole

FOLDER = "packs"

INDEX, ABOUTS = b"index", b"abouts"


class RowBlock(NamedTuple):
    """Rows of some jobs, one after the other.

    Args:
        keys: The jobs.
        counts: How many rows each has.
        abouts: What is known of each beside its rows.
        rows: All their rows.
    """

    keys: Sequence[str]
    counts: Sequence[int]
    abouts: Sequence[Mapping[str, Any]]
    rows: pa.Table

    @property
    def starts(self) -> np.ndarray:
        """Where the rows of each job begin, int64 ``(jobs,)``."""
        return np.cumsum([0, *self.counts], dtype=np.int64)[:-1]

    def of(self, keys: Iterable[str]) -> RowBlock:
        """The same of some of its jobs."""
        wanted = set(keys)
        at = [i for i, key in enumerate(self.keys) if key in wanted]
        if len(at) == len(self.keys):
            return self
        starts = self.starts
        taken = [np.arange(starts[i], starts[i] + self.counts[i]) for i in at]
        rows = self.rows.take(np.concatenate(taken) if taken else np.empty(0, dtype=np.int64))
        return RowBlock([self.keys[i] for i in at], [self.counts[i] for i in at], [self.abouts[i] for i in at], rows)


class Pack:
    """One of them.

    Args:
        path: The file.
        table: Name of the table that it is believed to be of.

    Raises:
        StoreError: It can't be read, or is of another table.
    """

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self.table = table
        try:
            with open_file(path) as file:
                index = parse_json(pq.ParquetFile(file, **THRIFT).metadata.metadata[INDEX])
            if index["table"] != table:
                raise ValueError(f"it holds {index['table']}")
            self.keys: list[str] = list(map(str, index["keys"]))
            self.counts: list[int] = list(map(int, index["counts"]))
            if min(self.counts, default=0) < 0:
                raise ValueError("its index counts less than no rows")
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise self._damaged(error) from None
        self.place: dict[str, int] = {key: i for i, key in enumerate(self.keys)}

    def load(self) -> RowBlock:
        """All of it, once the checksum is found right.

        Raises:
            StoreError: It was changed.
        """
        try:
            data = read_bounded(self.path, LARGEST)
            file = unseal(data)
            abouts = [dict(about) for about in parse_json(_inflated(file.metadata.metadata[ABOUTS]))]
            index = parse_json(file.metadata.metadata[INDEX])
            if (index["table"], index["keys"], index["counts"]) != (self.table, self.keys, self.counts):
                raise ValueError("it is another pack than the one that was looked into")
            block = RowBlock(self.keys, self.counts, abouts, rows_of(data, file))
            if not len(self.keys) == len(abouts) == len(self.counts) or sum(self.counts) != len(block.rows):
                raise ValueError("its index does not fit its rows")
        except (OSError, ValueError, KeyError, TypeError, zlib.error, pa.ArrowException) as error:
            raise self._damaged(error) from None
        return block

    def _damaged(self, error: Exception) -> StoreError:
        told = " ".join(str(error).split())
        return StoreError(f"{self.path} is damaged ({told}): delete it, and its jobs are run again")


def _inflated(text: bytes) -> bytes:
    """What is known of the jobs, once it is known to be no more than any pack needs.

    Raises:
        ValueError: It is no compressed text, or too much.
    """
    opened = zlib.decompressobj()
    data = opened.decompress(base64.b64decode(text), LARGEST)
    if opened.unconsumed_tail:
        raise ValueError(f"what it says of its jobs has more than {LARGEST:,} bytes")
    return data


class Packs:
    """The packs of a run folder, looked for again where a job is not found in those that are known.

    Args:
        root: The run folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, dict[Path, Pack]] = {}
        self._seen: dict[str, int] = {}
        self._last: tuple[Path, RowBlock] | None = None

    def of(self, table: str) -> list[Pack]:
        """Those of a table.

        Raises:
            StoreError: One can't be read.
        """
        folder = self.root / table / FOLDER
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            self._known.pop(table, None)
            return []
        if self._seen.get(table) != changed or table not in self._known:
            known = self._known.get(table, {})
            paths = sorted(folder.glob("*.parquet"))
            try:
                self._known[table] = {path: known.get(path) or Pack(path, table) for path in paths}
            except StoreError:
                if all(map(os.path.lexists, paths)):
                    raise
                return self.of(table)  # another process has written one anew
            self._seen[table] = changed
        return list(self._known[table].values())

    def find(self, table: str, key: str) -> Pack | None:
        """The one that holds a job; None where none does."""
        return next((pack for pack in self.of(table) if key in pack.place), None)

    def read(self, table: str, key: str) -> tuple[pa.Table, dict[str, Any]] | None:
        """A job's rows and what is known of it; None where no pack holds it. The last pack stays in memory.

        Raises:
            StoreError: The pack was changed.
        """
        try:
            taken = self._read(table, key)
        except StoreError:  # another process may have written it again, without what it holds no more
            taken = None
        if taken is None:
            self.forget(table)
            taken = self._read(table, key)
        return taken

    def _read(self, table: str, key: str) -> tuple[pa.Table, dict[str, Any]] | None:
        pack = self.find(table, key)
        if pack is None:
            return None
        if self._last is None or self._last[0] != pack.path:
            self._last = (pack.path, pack.load())
        block, at = self._last[1], pack.place[key]
        return block.rows.slice(block.starts[at], block.counts[at]), dict(block.abouts[at])

    def forget(self, table: str) -> None:
        """Look again, whatever the folder's time says."""
        self._seen.pop(table, None)

    def write(self, table: str, block: RowBlock) -> Path:
        """Write one.

        Raises:
            StoreError: It can't be written.
        """
        data = encode(table, block)
        path = self.root / table / FOLDER / f"{hashlib.sha256(data).hexdigest()[:24]}.parquet"
        write_whole(path, data)
        self.forget(table)
        return path

    def drop(self, table: str, keys: Iterable[str]) -> None:
        """Write the packs that hold some jobs again without them, and delete the old ones then.

        Raises:
            StoreError: It can't be written.
        """
        gone = set(keys)
        for pack in self.of(table):
            if not gone.isdisjoint(pack.place):
                kept = pack.load().of(key for key in pack.keys if key not in gone)
                if kept.keys:
                    self.write(table, kept)
                pack.path.unlink(missing_ok=True)
                self.forget(table)


def encode(table: str, block: RowBlock) -> bytes:
    """The file of a pack."""
    index = json.dumps({"table": table, "keys": list(block.keys), "counts": list(map(int, block.counts))})
    abouts = base64.b64encode(zlib.compress(json.dumps(list(block.abouts), sort_keys=True).encode()))
    return seal(block.rows, {INDEX: index.encode(), ABOUTS: abouts})


def joined(blocks: Iterable[tuple[str, pa.Table, Mapping[str, Any]]]) -> Iterator[RowBlock]:
    """Jobs that stand alone, some thousands of rows together.

    Args:
        blocks: Key, rows and what is known, of each.
    """
    lot: list[tuple[str, pa.Table, Mapping[str, Any]]] = []
    filled = 0
    for job in blocks:
        lot.append(job)
        filled += len(job[1])
        if filled >= ROWS or len(lot) >= JOBS:
            yield _block(lot)
            lot, filled = [], 0
    if lot:
        yield _block(lot)


def _block(lot: Sequence[tuple[str, pa.Table, Mapping[str, Any]]]) -> RowBlock:
    keys, tables, abouts = zip(*lot, strict=True)
    return RowBlock(keys, [len(table) for table in tables], abouts, pa.concat_tables(tables).combine_chunks())


ROWS, JOBS = 1 << 18, 1 << 13
"""Rows and jobs that stand together, at most, but for one job that is larger: a pack fits into memory many times."""
