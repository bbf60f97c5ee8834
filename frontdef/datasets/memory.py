"""Images that can't fit into memory are refused before any is read."""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Sequence
from pathlib import Path

from frontdef.errors import DataError

CGROUP = Path("/sys/fs/cgroup/memory.max")
"""What a container may use, on Linux; the word ``max`` where there is no limit."""


def memory_limit() -> int:
    """Bytes that this process can have at most: the machine's, its container's or its own limit."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    own = resource.getrlimit(resource.RLIMIT_AS)[0]
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    with contextlib.suppress(OSError, ValueError):
        limits.append(int(CGROUP.read_text()))
    return min(limits)


def check_memory(n_images: int, image_shape: Sequence[int], what: str) -> None:
    """Check that images fit into memory as float32.

    Args:
        n_images: How many.
        image_shape: ``(C,H,W)``.
        what: Where they are from, for the message.

    Raises:
        DataError: They don't.
    """
    needed, limit = 4 * n_images * math.prod(image_shape), memory_limit()
    if needed > limit:
        raise DataError(
            f"{what}: {n_images:,} images of shape ({','.join(map(str, image_shape))}) take {needed / 2**30:,.1f} GiB "
            f"as float32, and this process can have {limit / 2**30:,.1f}: take fewer samples, or smaller images"
        )
