"""The folder of an analysis: one Parquet file a unit of work, written whole or not at all.

``analysis.json`` says what was asked; ``TABLE/KEY.parquet`` holds a unit's rows of that table, with what is known of
the unit in its footer; ``failures/KEY.json`` a traceback. Keys are hashes of content, so the folder may hold more than
was asked for last.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from frontdef import weights
from frontdef.analysis.columns import TABLES
from frontdef.errors import StoreError

FORMAT = 1
"""Version of the layout; another one is refused, never guessed at."""

HEAD = "analysis.json"
FOOTER = b"frontdef"

Values = (np.ndarray, list)

_TYPES = {
    "varchar": pa.string(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
}
"""DuckDB's type → Arrow's."""


class AnalysisStore:
    """The folder.

    Args:
        root: Made when something is written.

    Raises:
        StoreError: It holds something else, or was written in another format.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if self.exists() and (found := self.read_head().get("format")) != FORMAT:
            raise StoreError(
                f"{root} has the analysis format {found!r}, this frontdef reads format {FORMAT}: choose another --out"
            )

    def exists(self) -> bool:
        """Whether an analysis was begun here.

        Raises:
            StoreError: The folder holds something else.
        """
        if (self.root / HEAD).is_file():
            return True
        if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise StoreError(f"{self.root} is no analysis (it has no {HEAD}) and is not empty: choose another --out")
        return False

    def read_head(self) -> dict[str, Any]:
        """What was asked for.

        Raises:
            StoreError: No analysis, or a damaged head.
        """
        try:
            return dict(json.loads((self.root / HEAD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(f"{self.root} is no analysis: {error}. `frontdef analyze` makes one") from None

    def write_head(self, head: Mapping[str, Any]) -> None:
        """Say what is asked for.

        Raises:
            StoreError: It can't be written.
        """
        weights.write_whole(self.root / HEAD, json.dumps({"format": FORMAT, **head}, indent=1).encode())

    def path(self, table: str, key: str) -> Path:
        """Where a unit's rows are."""
        return self.root / table / f"{key}.parquet"

    def has(self, table: str, key: str) -> bool:
        """Whether a unit is done."""
        return self.path(table, key).is_file()

    def write(self, table: str, key: str, columns: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Store what a unit found.

        Args:
            table: One of `TABLES`.
            key: The unit's key.
            columns: Column → values, or one value for all rows; all columns of the table, in any order.
            about: What is known of the unit, JSON values.

        Raises:
            StoreError: No space or no permission.
        """
        rows = max((len(value) for value in columns.values() if isinstance(value, Values)), default=1)
        arrays = {
            name: pa.array(_repeated(columns[name], rows), _TYPES[column.type])
            for name, column in TABLES[table].items()
        }
        filled = pa.table(arrays).replace_schema_metadata({FOOTER: json.dumps(about, sort_keys=True).encode()})
        buffer = io.BytesIO()
        pq.write_table(filled, buffer, compression="zstd")
        weights.write_whole(self.path(table, key), buffer.getvalue())
        self._failure(key).unlink(missing_ok=True)

    def about(self, table: str, key: str) -> dict[str, Any]:
        """What is known of a unit.

        Raises:
            StoreError: Its file is damaged.
        """
        path = self.path(table, key)
        try:
            return dict(json.loads(pq.read_schema(path).metadata[FOOTER]))
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise StoreError(f"{path} is damaged ({error}): delete it, and `frontdef analyze` makes it again") from None

    def write_failure(self, key: str, what: str, error: str) -> None:
        """Record why a unit failed; it is tried again the next time."""
        weights.write_whole(self._failure(key), json.dumps({"unit": what, "error": error}, indent=1).encode())

    def failure(self, key: str) -> dict[str, str] | None:
        """What is recorded of a failed unit; None where it did not fail."""
        path = self._failure(key)
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def _failure(self, key: str) -> Path:
        return self.root / "failures" / f"{key}.json"


def _repeated(value: Any, rows: int) -> Any:
    return value if isinstance(value, Values) else [value] * rows
