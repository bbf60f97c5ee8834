"""The processes that a process started, however far they got away from it, and their end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

SUBREAPER = 36
"""``PR_SET_CHILD_SUBREAPER`` of Linux's prctl(2)."""

PATIENCE = 10.0
"""Seconds until a killed process that does not end, because the kernel holds it, is left to itself."""


def adopt() -> None:
    """From now on become the parent of every descendant whose parent ends, also of one in a session of its own.

    Linux alone can do it; elsewhere such a process is not found again.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def descendants(process: int) -> list[int]:
    """Children of a process that live, and theirs; none where the system has no ``/proc``.

    Args:
        process: Its id.
    """
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it ended meanwhile
            state, parent = path.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(path.parent.name))
    family, generation = [], [process]
    while generation:
        generation = [child for parent in generation for child in children.get(parent, ())]
        family += generation
    return family


def end(process: int, spared: Collection[int] = ()) -> None:
    """Kill the descendants of a process, and what they start meanwhile.

    Args:
        process: This process, which `adopt` was called for.
        spared: Ids of those that go on.
    """
    gives_up = time.monotonic() + PATIENCE
    killed: set[int] = set()
    while (family := set(descendants(process)) - set(spared)) and time.monotonic() < gives_up:
        for member in family:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(member, signal.SIGKILL)
        killed |= family
        time.sleep(0.01)
    for member in killed:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(member, os.WNOHANG)
