"""The C heap: large tensors that are freed stay in the process, so that the next ones need no new pages.

glibc gives every block beyond 32 MiB back to the system when it is freed and asks for it anew, page by page, each
filled with zeros. A pass through a network does that for every one of its large tensors.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt``."""

KEPT = {TRIM_THRESHOLD: 1 << 30, MMAP_THRESHOLD: 1 << 28}
"""Bytes: how much of the heap may be free before it shrinks, and from what size on a block is not of the heap."""

GIVEN_BACK = dict.fromkeys(KEPT, 1 << 17)
"""The same, as glibc begins."""


def keep_freed() -> bool:
    """Keep freed memory in this process; whether it does: glibc can, other C libraries are left as they are.

    For processes that are frontdef's own: a library does not change the heap of the process that imports it. Where the
    address space is limited nothing is kept: what is free lies in pieces, and all of them count.
    """
    global _keeps
    _keeps = not _limited() and _set(KEPT)
    return _keeps


def give_back() -> None:
    """Where freed memory was kept, give it back, and keep none from now on: what is kept lies in pieces.

    Where memory ran out, a block that would fit into all of them together must not fail.
    """
    global _keeps
    if _keeps:
        _set(GIVEN_BACK)
        ctypes.CDLL(None).malloc_trim(0)
    _keeps = False


_keeps = False


def _limited() -> bool:
    if os.name != "posix":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _set(thresholds: Mapping[int, int]) -> bool:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return mallopt is not None and all(mallopt(*each) for each in thresholds.items())
