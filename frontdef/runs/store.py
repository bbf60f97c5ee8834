"""The run folder: one Parquet file a job, written whole or not at all, each with its key and a checksum.

``run.json`` names the jobs that were asked for last; ``TABLE/KEY.parquet`` holds a job's rows, and in its footer what
is known of the job beside them; ``TABLE/KEY.safetensors`` its pictures or examples; ``failures/KEY.json`` a traceback.
Keys are hashes of content, so a folder may hold more than is asked for. What is read is believed only where key, table
and checksum are those that were asked for.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from frontdef import weights
from frontdef.errors import StoreError
from frontdef.lock import HeldError, locked
from frontdef.reading import parse_json, read_bounded
from frontdef.runs import head as heads
from frontdef.runs.head import Head
from frontdef.runs.log import LOG
from frontdef.runs.packs import FOLDER as PACKS
from frontdef.runs.packs import Packs, RowBlock, joined
from frontdef.runs.sealed import LARGEST, rows_of, seal, unseal
from frontdef.runs.table import Rows, Table
from frontdef.tensorfile import Layout, TensorFile, TensorWriter
from frontdef.whole import cannot_write, delete, is_temporary, sweep, write_whole

if TYPE_CHECKING:
    from torch import Tensor

HEAD, LOCK, REPORT, SUBMITTED = "run.json", ".lock", "report.html", "slurm"
FILE = re.compile(r"[0-9a-f]{24}\.(parquet|safetensors|json)")
"""A job's file, or a pack."""
SUBMITTED_FILE = re.compile(
    r"(\d[\d_]*_(submission\.sh|submitted\.pkl|result\.pkl|log\.out|log\.err)"
    r"|\.submission_file_[0-9a-f]{32}\.sh|[0-9a-f]{32}\.pkl)(\.save_tmp)?"
)
"""What submitit leaves in the folder ``slurm``; its files are never read here."""

ABOUT = b"frontdef"

Values = (np.ndarray, list)

ARROW = {
    "varchar": pa.string(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
}
"""DuckDB's type → Arrow's."""


class Store:
    """A run folder.

    Args:
        root: The folder; made when something is written.

    Raises:
        StoreError: It was written in another format, is damaged, or holds something else.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packs: Packs = Packs(root)
        self._head: Head | None = None
        self.begun: bool = self.exists()
        if self.begun and self._glance() is None:
            self._head = self._read_head()

    @property
    def head(self) -> Head | None:
        """What was asked for, read when it is first needed; None where no run was begun.

        Raises:
            StoreError: It is damaged.
        """
        if self._head is None and self.begun:
            self._head = self._read_head()
        return self._head

    def exists(self) -> bool:
        """Whether a run was begun here. What a run leaves beside its head is no matter: keys say what it is.

        Raises:
            StoreError: The folder holds something else.
        """
        if (self.root / HEAD).is_file():
            return True
        if self.root.exists() and (not self.root.is_dir() or not all(map(_of_a_run, self.root.iterdir()))):
            raise StoreError(f"{self.root} is no run folder (it has no {HEAD}) and is not empty: choose another --out")
        return False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep everybody else from writing here; whoever only reads is not hindered.

        Raises:
            StoreError: Another process writes here, or nobody can.
        """
        path = self.root / LOCK
        with ExitStack() as held:
            try:
                made = not self.root.exists()
                self.root.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(path))
            except HeldError as error:
                raise StoreError(
                    f"{self.root} is being written by {error}: wait until it ends, or stop it. `frontdef results "
                    f"{self.root}` shows what it has finished"
                ) from None
            except OSError as error:
                raise cannot_write(path, error) from error
            try:
                yield
            finally:
                if made and not self.begun:
                    self._leave()

    def _leave(self) -> None:
        """Take back a folder in which nothing was begun."""
        with contextlib.suppress(OSError):
            self.root.joinpath(LOCK).unlink()
            self.root.rmdir()

    def require_head(self) -> Head:
        """What was asked for.

        Raises:
            StoreError: No run was begun here.
        """
        head = self.head
        if head is None:
            raise StoreError(f"{self.root} is no run folder: it has no {HEAD}. `frontdef run --out FOLDER` makes one")
        return head

    def write_head(self, head: Head) -> None:
        """Say what is asked for, before anything else is written.

        Raises:
            StoreError: It can't be written.
        """
        write_whole(self.root / HEAD, heads.dump(head))
        self._head, self.begun = head, True

    def renew_head(self, head: Head, keys: Iterable[str]) -> bool:
        """Say it again where the jobs that are asked for are those that stand there, which are not described anew.

        Args:
            head: What is asked for, without its jobs.
            keys: Its jobs.

        Returns:
            Whether they are.

        Raises:
            StoreError: It can't be written.
        """
        written = self._glance() if self.begun else None
        if written is None or not written.tells(head, keys):
            return False
        write_whole(self.root / HEAD, heads.dump(head, written.jobs))
        self._head = None
        return True

    def _glance(self) -> heads.Written | None:
        return heads.glance(self._head_file(), str(self.root / HEAD))

    def _read_head(self) -> Head:
        return heads.parse(self._head_file(), str(self.root / HEAD))

    def _head_file(self) -> bytes:
        path = self.root / HEAD
        try:
            return read_bounded(path, LARGEST)
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from None

    def path(self, table: str, key: str) -> Path:
        """Where a job's rows are."""
        return self.root / table / f"{key}.parquet"

    def has(self, table: str, key: str) -> bool:
        """Whether a job is done."""
        return self.path(table, key).is_file() or self.packs.find(table, key) is not None

    def done(self, table: str) -> set[str]:
        """Keys of all jobs that are done, by names alone: nothing is read but the packs' footers.

        Raises:
            StoreError: A pack can't be read.
        """
        return self.alone(table).union(*(pack.place for pack in self.packs.of(table)))

    def alone(self, table: str) -> set[str]:
        """Keys of the jobs that have files of their own."""
        try:
            names = os.listdir(self.root / table)
        except OSError:
            return set()
        return {name.removesuffix(".parquet") for name in names if name.endswith(".parquet")}

    def scan(
        self, table: str, keys: Iterable[str], check: Callable[[pa.Table, Path], pa.Table] = lambda rows, _: rows
    ) -> Iterator[RowBlock]:
        """The rows of many jobs that are done, many at a time.

        Args:
            table: Their table.
            keys: Which.
            check: Given the rows of a file and its path, returns them as they are to be believed, or raises.

        Raises:
            StoreError: One is missing, damaged, changed, or another job's.
        """
        left = {key: position for position, key in enumerate(keys)}
        alone = self.alone(table)
        packed = {pack: (pack.place.keys() & left.keys()) - alone for pack in self.packs.of(table)}
        for pack in sorted(filter(packed.get, packed), key=lambda pack: min(left[key] for key in packed[pack])):
            if mine := packed[pack] & left.keys():
                try:
                    block = pack.load()
                except StoreError:
                    if os.path.lexists(pack.path):
                        raise
                    continue  # another process has written it anew, without what was run again: found below
                yield block._replace(rows=check(block.rows, pack.path)).of(mine)
                for key in mine:
                    del left[key]
        each = ((key, *self.read(table, key)) for key in left)
        yield from joined((key, check(rows, self.path(table, key)), about) for key, rows, about in each)

    def write(self, table: str, key: str, data: bytes, tensors: Mapping[str, Tensor] | TensorWriter) -> None:
        """Store what a job ended in; its rows are written last, so a job that is there is whole.

        Args:
            table: Name of the job's table.
            key: The job's.
            data: Its rows, as `encode` gives them.
            tensors: What is kept beside them, or the file of `stream` that holds all of it.

        Raises:
            StoreError: No space or no permission; nothing that was there is lost.
        """
        if isinstance(tensors, TensorWriter):
            tensors.commit()
        elif tensors:
            self.write_tensors(table, key, tensors)
        write_whole(self.path(table, key), data)
        delete(self._failure(key))

    def read(self, table: str, key: str) -> tuple[pa.Table, dict[str, Any]]:
        """A job's rows, and what is known of it.

        Raises:
            StoreError: Missing, damaged, changed, or another job's.
        """
        path = self.path(table, key)
        try:
            return decode(read_bounded(path, LARGEST), table, key)
        except FileNotFoundError:
            packed = self.packs.read(table, key)
            if packed is None:
                raise StoreError(f"{path} is missing, and no pack holds it: the same command makes it again") from None
            return packed
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            told = " ".join(str(error).split())
            raise StoreError(f"{path} is damaged ({told}): delete it, and it is made again") from None

    def about(self, table: str, key: str) -> dict[str, Any]:
        """What is known of a job beside its rows.

        Raises:
            StoreError: Missing, damaged, changed, or another job's.
        """
        return self.read(table, key)[1]

    def write_failure(self, table: str, key: str, what: str, error: str) -> None:
        """Record why a job failed; an older result of it is gone then.

        Raises:
            StoreError: It can't be written.
        """
        values = {"key": key, "what": what, "error": error}
        write_whole(self._failure(key), json.dumps({"sha256": heads.digest(values), **values}, indent=1).encode())
        delete(self.path(table, key))
        self.packs.drop(table, [key])

    def failed(self, key: str) -> bool:
        """Whether a job is recorded as failed."""
        return self._failure(key).is_file()

    def failure(self, key: str) -> dict[str, str]:
        """What is recorded of a failed job: ``key``, ``what`` it is, and ``error``, a traceback.

        Raises:
            StoreError: The record is damaged, was changed, or is another job's.
        """
        path = self._failure(key)
        try:
            values = parse_json(read_bounded(path, LARGEST))
            checksum = values.pop("sha256")
            if heads.digest(values) != checksum:
                raise ValueError("its sha256 differs from the one in it")
            if values["key"] != key:
                raise ValueError(f"it holds {values['key']}")
            return {name: str(values[name]) for name in ("key", "what", "error")}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(f"{path} is damaged ({error}): delete it, and the job is run again") from None

    def forget_failures(self, keys: Iterable[str]) -> int:
        """Delete the records of failures, so that the jobs are run again; returns how many there were."""
        failures = [self._failure(key) for key in keys if self.failed(key)]
        for path in failures:
            delete(path)
        return len(failures)

    def write_tensors(self, folder: str, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Store pictures, examples or images.

        Raises:
            StoreError: No space or no permission.
        """
        weights.save_single(tensors, self.tensor_path(folder, key), {"table": folder, "key": key})

    def stream(self, folder: str, key: str, layouts: Mapping[str, Layout]) -> TensorWriter:
        """A file for pictures or examples that are written a batch at a time; `write` gives it its name.

        Args:
            folder: Name of the job's table.
            key: The job's.
            layouts: Name → type and shape of what will be written.

        Raises:
            StoreError: No space or no permission.
        """
        return TensorWriter(self.tensor_path(folder, key), layouts, {"table": folder, "key": key})

    def has_tensors(self, folder: str, key: str) -> bool:
        """Whether there are such."""
        return self.tensor_path(folder, key).is_file()

    def tensors(self, folder: str, key: str) -> dict[str, Tensor]:
        """Read what `write_tensors` stored.

        Raises:
            StoreError: Missing, damaged, changed, or another job's.
        """
        file = self.open_tensors(folder, key)
        return {name: file.tensor(name) for name in file.layouts}

    def arrays(self, folder: str, key: str) -> dict[str, np.ndarray]:
        """The same as numpy arrays, without torch.

        Raises:
            StoreError: Missing, damaged, changed, or another job's.
        """
        file = self.open_tensors(folder, key)
        return {name: file.array(name) for name in file.layouts}

    def open_tensors(self, folder: str, key: str) -> TensorFile:
        """What `write_tensors` stored, to read some of it: the checksum is checked, and nothing is held in memory.

        Raises:
            StoreError: Missing, damaged, changed, or another job's.
        """
        path = self.tensor_path(folder, key)
        file = TensorFile(path)
        if (file.about.get("table"), file.about.get("key")) != (folder, key):
            raise StoreError(f"{path} belongs to another job: delete it, and it is made again")
        return file

    def sweep(self) -> int:
        """Delete what killed processes left unfinished, while it is held; returns how many files there were."""
        return sweep(self.root, alone=True)

    def tensor_path(self, folder: str, key: str) -> Path:
        """Where pictures, examples or images are."""
        return self.root / folder / f"{key}.safetensors"

    def _failure(self, key: str) -> Path:
        return self.root / "failures" / f"{key}.json"

    def require_space(self, n_bytes: int, n_files: int = 0) -> None:
        """Check that the disk has room for what a run will write.

        Raises:
            StoreError: It has not.
        """
        folder = next(parent for parent in (self.root, *self.root.resolve().parents) if parent.exists())
        free = shutil.disk_usage(folder).free
        if free < n_bytes:
            raise StoreError(
                f"{self.root} needs about {n_bytes / 1e6:.1f} MB and the disk has {free / 1e6:.1f} MB free: free some "
                "space, or choose another --out"
            )
        inodes = os.statvfs(folder)
        if inodes.f_files and inodes.f_favail < n_files:  # a file system that makes them as it needs them has none
            raise StoreError(
                f"{self.root} needs about {n_files} files and the disk has room for {inodes.f_favail}: delete some "
                "files there, or choose another --out"
            )


def _of_a_run(path: Path) -> bool:
    """Whether it is what a run leaves in its folder, with names that hashes give."""
    if path.name in {LOCK, LOG, REPORT} or is_temporary(path):
        return True
    if path.name == SUBMITTED:
        return path.is_dir() and all(SUBMITTED_FILE.fullmatch(file.name) for file in path.iterdir())
    return path.is_dir() and all(
        is_temporary(file) or FILE.fullmatch(file.name) or (file.name == PACKS and _of_a_run(file))
        for file in path.iterdir()
    )


def encode(table: Table, key: str, rows: Rows) -> bytes:
    """A Parquet file whose footer holds the job's key, what is known of it, and a checksum over every byte.

    Args:
        table: The job's.
        key: The job's.
        rows: What it ended in.

    Raises:
        ValueError: A column is missing, unknown, of another type or of another length.
    """
    if set(rows.columns) != set(table.stored):
        raise ValueError(f"table {table.name} has the columns {list(table.stored)}, got {list(rows.columns)}")
    count = max((len(value) for value in rows.columns.values() if isinstance(value, Values)), default=1)
    try:
        arrays = {
            name: pa.array(_repeated(rows.columns[name], count), ARROW[column.type])
            for name, column in table.stored.items()
        }
        filled = pa.table(arrays)
    except pa.ArrowException as error:
        raise ValueError(f"rows do not fit the table {table.name}: {error}") from None
    about = json.dumps({"table": table.name, "key": key, "about": plain(rows.about)}, sort_keys=True)
    return seal(filled, {ABOUT: about.encode()})


def decode(data: bytes, table: str, key: str) -> tuple[pa.Table, dict[str, Any]]:
    """Read what `encode` gives.

    Args:
        data: The file.
        table: Name of the table that it is believed to be of.
        key: The key that it is believed to be of.

    Raises:
        ValueError: It was changed, or is another job's.
        ArrowException: It is no Parquet file.
    """
    file = unseal(data)
    about = parse_json(file.metadata.metadata[ABOUT])
    if (about["table"], about["key"]) != (table, key):
        raise ValueError(f"it holds {about['table']} {about['key']}")
    return rows_of(data, file), dict(about["about"])


def _repeated(value: Any, rows: int) -> Any:
    return value if isinstance(value, Values) else [value] * rows


def plain(value: Any) -> Any:
    """JSON values of what a job says of itself; a figure that is not finite is None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
