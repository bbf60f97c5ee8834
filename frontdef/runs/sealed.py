"""Parquet files with a checksum over every byte in their footer, which is at their end."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from frontdef.reading import MIB

CHECKSUM = b"sha256"

UNSIGNED = b"these 64 letters stand here while the sha256 of all is computed."
"""What stands in the footer in place of the checksum while that is computed over the whole file."""

LARGEST = 512 * MIB
"""Bytes of a file of a run folder; run.json of 100,000 jobs has a fifth of that."""

MAX_VALUES = 10_000_000
"""Rows times columns of a file; 50,000 images in the widest table are a tenth of that."""

FEW = 100_000
"""Rows that one thread reads in less time than it takes to share them out."""

THRIFT = {"thrift_string_size_limit": 64 * MIB, "thrift_container_size_limit": 100_000}
"""Bounds of a Parquet file's footer."""


def seal(rows: pa.Table, about: Mapping[bytes, bytes]) -> bytes:
    """A file of rows and of what its footer says of them."""
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, rows.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({**about, CHECKSUM: UNSIGNED})
    data = buffer.getvalue()
    return _signed(data, UNSIGNED, hashlib.sha256(data).hexdigest().encode())


def unseal(data: bytes) -> pq.ParquetFile:
    """Read such a file.

    Raises:
        ValueError: It was changed.
        KeyError: It has no checksum.
        ArrowException: It is no Parquet file.
    """
    file = pq.ParquetFile(pa.BufferReader(data), **THRIFT)
    checksum = file.metadata.metadata[CHECKSUM]
    if hashlib.sha256(_signed(data, checksum, UNSIGNED)).hexdigest().encode() != checksum:
        raise ValueError("its sha256 differs from the one in its footer")
    return file


def rows_of(data: bytes, file: pq.ParquetFile) -> pa.Table:
    """The rows, once it is known what they take in memory: a page of a few bytes may stand for millions of rows.

    Args:
        data: The file.
        file: The same, unsealed.

    Raises:
        ValueError: Too much.
    """
    metadata = file.metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if not 0 <= rows * max(1, metadata.num_columns) <= MAX_VALUES:
        raise ValueError(f"it promises {rows:,} rows of {metadata.num_columns} columns, at most {MAX_VALUES:,} values")
    if (size := sum(group.total_byte_size for group in groups)) > LARGEST:
        raise ValueError(f"it promises {size:,} bytes, at most {LARGEST:,} are read")
    texts = [field.name for field in metadata.schema.to_arrow_schema() if pa.types.is_string(field.type)]
    if texts:
        file = pq.ParquetFile(pa.BufferReader(data), metadata=metadata, read_dictionary=texts, **THRIFT)
    table = file.read(use_threads=rows > FEW).replace_schema_metadata(None)
    for name in texts:
        column = table[name]
        if (size := sum(map(_expanded, column.chunks))) > LARGEST:
            raise ValueError(f"its column {name!r} has {size:,} bytes of text, at most {LARGEST:,} are read")
        table = table.set_column(table.schema.get_field_index(name), name, column.cast(pa.string()))
    return table


def same_rows(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables hold the same; what is not a number is the same as itself, which Arrow denies."""
    return bool(one.schema.equals(other.schema)) and all(map(_same_column, one.columns, other.columns))


def _same_column(one: Any, other: Any) -> bool:
    if not pa.types.is_floating(one.type):
        return bool(one.equals(other))
    same_blanks = one.is_null().equals(other.is_null())
    return bool(same_blanks and np.array_equal(one.to_numpy(), other.to_numpy(), equal_nan=True))


def _expanded(chunk: Any) -> int:
    """Bytes of a chunk of texts that are stored once each."""
    lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
    return int(pc.sum(lengths).as_py() or 0)


def _signed(data: bytes, old: bytes, new: bytes) -> bytes:
    """The file with another checksum in its footer."""
    start = data.rindex(old)
    return data[:start] + new + data[start + len(old) :]
