"""Stored columns as numpy arrays. pyarrow's own conversion imports pandas, which takes longer than to show a run."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

NUMPY = {"varchar": object, "integer": np.int32, "bigint": np.int64, "double": np.float64, "boolean": np.bool_}
"""DuckDB's type → numpy's."""


def arrays(rows: pa.Table, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Some columns of stored rows, each ``(N,)``: numbers and booleans as such, NaN where there is none, else objects.

    Args:
        rows: The rows.
        names: Of the columns.
    """
    return {name: _joined([_array(chunk) for chunk in rows[name].chunks], rows[name].type) for name in names}


def _joined(parts: list[np.ndarray], kind: pa.DataType) -> np.ndarray:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else _array(pa.array([], kind))


def _array(chunk: pa.Array) -> np.ndarray:
    if chunk.null_count and pa.types.is_floating(chunk.type):
        chunk = chunk.fill_null(float("nan"))
    if chunk.null_count or not pa.types.is_primitive(chunk.type):
        return np.array(chunk.to_pylist(), dtype=object)
    if pa.types.is_boolean(chunk.type):
        return np.from_dlpack(chunk.cast(pa.uint8())).view(bool)
    return np.from_dlpack(chunk)
