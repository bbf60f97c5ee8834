"""The idx format of MNIST and its relatives: a header that says how many bytes must follow, then the bytes."""

from __future__ import annotations

import math
import struct

import numpy as np

from frontdef.errors import DataError

UINT8 = 0x08


def parse_idx(data: bytes, where: str, mend: str) -> np.ndarray:
    """Turn the bytes of an idx file into an array.

    Args:
        data: The whole file.
        where: Its name, for messages.
        mend: What to do about a damaged file.

    Returns:
        uint8, of the shape that the header gives; a read-only view of ``data``.

    Raises:
        DataError: No idx file of bytes, or another length than its header says.
    """
    n_dims = data[3] if len(data) >= 4 else 0
    header = 4 + 4 * n_dims
    if len(data) < header or data[:3] != bytes([0, 0, UINT8]) or n_dims == 0:
        raise DataError(f"{where} is not an idx file of bytes: it begins with {data[:4].hex() or 'nothing'}. {mend}")
    shape = struct.unpack(f">{n_dims}I", data[4:header])
    expected = header + math.prod(shape)
    if len(data) != expected:
        state = "truncated" if len(data) < expected else "too long"
        raise DataError(f"{where} is {state}: it has {len(data):,} bytes, its header says {expected:,}. {mend}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
