"""The C heap: large tensors that are freed stay in the process, so that the next ones need no new pages.

glibc gives every block beyond 32 MiB back to the system when it is freed and asks for it anew, page by page, each
filled with zeros. A pass through a network does that for every one of its large tensors.
"""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt``."""

KEPT = {TRIM_THRESHOLD: 1 << 30, MMAP_THRESHOLD: 1 << 28}
"""Bytes: how much of the heap may be free before it shrinks, and from what size on a block is not of the heap."""


def keep_freed() -> bool:
    """Keep freed memory in this process; whether its C library can (glibc does, others are left as they are).

    For processes that are frontdef's own: a library does not change the heap of the process that imports it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return mallopt is not None and all(mallopt(*each) for each in KEPT.items())
