"""Files that are there whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from pathlib import Path

from frontdef.errors import StoreError, UnwritableError

_TEMPORARY = re.compile(r"\..+\.(?P<host>[^.]+)\.(?P<process>\d+)\.tmp")


def temporary(path: Path) -> Path:
    """The name under which this process writes a file before it is whole."""
    return path.with_name(f".{path.name}.{_host()}.{os.getpid()}.tmp")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file through a temporary name, so that a killed process leaves the old file or the new one.

    Raises:
        StoreError: No space, no permission, a read-only file system.
    """
    unfinished = temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # where a folder of the path is a file, unlink fails, too
            unfinished.unlink()
        raise cannot_write(path, error) from error


def delete(path: Path) -> None:
    """Delete a file, if it is there.

    Raises:
        UnwritableError: It can't be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> StoreError:
    """What is said where a file can't be written."""
    return UnwritableError(f"cannot write {path}: {error.strerror or error}")


def is_temporary(path: Path) -> bool:
    """Whether a file has a name that `temporary` gives."""
    return _TEMPORARY.fullmatch(path.name) is not None


def sweep(folder: Path, *, alone: bool = False) -> int:
    """Delete what processes that have ended left unfinished, in a folder and the folders in it.

    Args:
        folder: Where to look.
        alone: Whether nobody else writes there, so that every such file is left over; without it those that this
            machine's living processes write are kept, and those of other machines.

    Returns:
        How many files there were.
    """
    left = [
        path
        for pattern in (".*.tmp", "*/.*.tmp", "*/packs/.*.tmp")
        for path in folder.glob(pattern)
        if _left(path, alone)
    ]
    for path in left:
        with contextlib.suppress(OSError):  # another process sweeps, too
            path.unlink()
    return len(left)


def _left(path: Path, alone: bool) -> bool:
    name = _TEMPORARY.fullmatch(path.name)
    return name is not None and (alone or (name["host"] == _host() and not _alive(int(name["process"]))))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def _host() -> str:
    return re.sub(r"[^0-9A-Za-z-]", "-", platform.node()) or "-"
