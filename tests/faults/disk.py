"""A disk that fails at the n-th change of a folder: in this process, at the calls by which Python changes files."""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLS = ("before", "torn")
"""The process is killed before the change, or in it: half of a write is done, a rename or deletion is done."""

ERRORS = {"full": errno.ENOSPC, "inodes": errno.ENOSPC, "read-only": errno.EROFS, "io": errno.EIO}
"""From the n-th change on there is no space, no further file, no permission; or that change alone fails."""

TAKE_SPACE, MAKE_FILES = {"open", "write", "mkdir"}, {"open", "mkdir"}


class Disk:
    """Counts the changes of folders, and fails at one of them.

    Args:
        roots: The folders.
        how: One of `KILLS` or `ERRORS`; empty only counts.
        at: Number of the change, from 1.
    """

    def __init__(self, *roots: Path, how: str = "", at: int = 0) -> None:
        self.roots = tuple(f"{root}{os.sep}" for root in roots)
        self.how, self.at = how, at
        self.changes: list[tuple[str, str]] = []
        self.hit = False

    def install(self) -> None:
        """Stand between this process and the disk, for good: call it in a process that is thrown away."""
        opened = io.open

        def open_(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
            if isinstance(file, int) or not self._watched(file) or not set(mode) & set("wax+"):
                return opened(file, mode, buffering, *args, **kwargs)
            created = not os.path.exists(file)
            raw = self._change("open" if created else "truncate", file, lambda: _File(self, file, mode))
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *args, **kwargs)

        io.open = builtins.open = open_  # type: ignore[assignment]
        for name in ("replace", "unlink", "remove", "mkdir", "rmdir", "truncate"):
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        os_open = os.open

        def low(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if flags & os.O_CREAT and self._watched(path) and not os.path.exists(path):
                return self._change("open", path, lambda: os_open(path, flags, *args, **kwargs))
            return os_open(path, flags, *args, **kwargs)

        os.open = low

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def change(path: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._watched(path):
                return function(path, *args, **kwargs)
            return self._change(name, path, lambda: function(path, *args, **kwargs))

        return change

    def _watched(self, path: Any) -> bool:
        return f"{os.path.abspath(os.fspath(path))}{os.sep}".startswith(self.roots)

    def _change(self, what: str, path: Any, do: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        self.changes.append((what, str(path)))
        if not self.how or len(self.changes) < self.at or (self.how == "io" and len(self.changes) > self.at):
            return do()
        if self.how in KILLS:
            if self.how == "torn":
                (half or do)()
            os.kill(os.getpid(), signal.SIGKILL)
        if (self.how == "full" and what not in TAKE_SPACE) or (self.how == "inodes" and what not in MAKE_FILES):
            return do()
        self.hit = True
        if half is not None and self.how == "full":
            half()
        raise OSError(ERRORS[self.how], os.strerror(ERRORS[self.how]), str(path))


class _File(io.FileIO):
    """A file of a failing disk."""

    def __init__(self, disk: Disk, path: Any, mode: str) -> None:
        super().__init__(path, mode.replace("b", "").replace("t", ""))
        self._disk, self._path = disk, path

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        write = super().write
        return self._disk._change("write", self._path, lambda: write(view), lambda: write(view[: len(view) // 2]))
