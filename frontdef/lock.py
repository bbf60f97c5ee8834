"""One process at a time: a lock that says who holds it, and that ends with its holder however that ends."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from frontdef.errors import MissingExtraError
from frontdef.reading import open_file

NOTE_LIMIT = 4096
"""Bytes of a lock file that are read, whatever somebody put there."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Args:
        process: Its id.
        host: The machine that it runs on.
        since: When it got the lock, ISO 8601.
    """

    process: int
    host: str
    since: str

    @classmethod
    def me(cls) -> Holder:
        """This process, now."""
        return cls(os.getpid(), platform.node(), datetime.now(UTC).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


class HeldError(Exception):
    """Another process holds the lock.

    Args:
        holder: Which; None where it has not said so yet.
    """

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder or "another process"))
        self.holder = holder


@contextmanager
def locked(path: Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock. The system takes it back when the process ends, and no child of the process keeps it.

    Args:
        path: The lock's file; its folder is there. The file stays, and means nothing where nobody holds it.
        waiting: Told who holds the lock, once, before it is waited for; None does not wait.

    Raises:
        HeldError: Another process or thread holds it, and nobody waits.
        OSError: The file can't be written.
        MissingExtraError: filelock is not installed.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise MissingExtraError("training or running", "filelock") from None
    lock = FileLock(path, is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = read_holder(path)
        if waiting is None:
            raise HeldError(holder) from None
        waiting(str(holder or "another process"))
        lock.acquire()
    try:
        path.write_text(json.dumps(asdict(Holder.me())), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            path.write_bytes(b"")
        lock.release()


def read_holder(path: Path) -> Holder | None:
    """Who wrote a lock's file last and has not let go of it.

    Args:
        path: The lock's file.

    Returns:
        None where nobody has, or the file says something else.
    """
    try:
        with open_file(path) as file:
            values = json.loads(file.read(NOTE_LIMIT))
        return Holder(int(values["process"]), str(values["host"]), str(values["since"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
