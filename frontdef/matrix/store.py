"""The run folder: one Parquet file a cell, written whole or not at all.

``run.json`` names the cells of the matrix that was asked for last; ``cells/KEY.parquet`` holds one row a sample, and
what is known of the cell in its footer; ``failures/KEY.json`` a traceback; ``examples/KEY.safetensors`` what the
library returned. Keys are hashes of content, so a folder may hold more than the matrix asks for.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from frontdef import weights
from frontdef.errors import StoreError

FORMAT = 1
"""Version of the layout; another one is refused, never guessed at."""

FOOTER = b"frontdef"


class Store:
    """A run folder.

    Args:
        root: The folder; made when something is written.

    Raises:
        StoreError: It was written in another format, or is no run folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        about = self.read_about() if self.exists() else {"format": FORMAT}
        if about.get("format") != FORMAT:
            raise StoreError(
                f"{root} has the store format {about.get('format')!r}, this frontdef reads format {FORMAT}. "
                "Read it with the version that wrote it (run.json names it), or choose another --out"
            )

    def exists(self) -> bool:
        """Whether a run was begun here.

        Raises:
            StoreError: The folder holds something else.
        """
        if (self.root / "run.json").is_file():
            return True
        if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise StoreError(
                f"{self.root} is no run folder (it has no run.json) and is not empty: choose another --out"
            )
        return False

    def read_about(self) -> dict[str, Any]:
        """What the run was asked for: matrix, cells, versions.

        Raises:
            StoreError: No run, or an unreadable ``run.json``.
        """
        try:
            about = json.loads((self.root / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.root} is no run folder: {error}. `frontdef run` makes one") from None
        if not isinstance(about, dict):
            raise StoreError(f"{self.root / 'run.json'} is damaged")
        return about

    def write_about(self, about: Mapping[str, Any]) -> None:
        """Write ``run.json``.

        Raises:
            StoreError: It can't be written.
        """
        weights.write_whole(self.root / "run.json", json.dumps({"format": FORMAT, **about}, indent=1).encode())

    def has(self, key: str) -> bool:
        """Whether a cell's records are there."""
        return self.cell_path(key).is_file()

    def failed(self, key: str) -> bool:
        """Whether a cell is recorded as failed."""
        return self._failure_path(key).is_file()

    def write_cell(
        self, key: str, about: Mapping[str, Any], columns: Mapping[str, np.ndarray], examples: Mapping[str, Tensor]
    ) -> None:
        """Store a finished cell; the records are written last, so a cell that is there is whole.

        Args:
            key: The cell's key.
            about: What is known of the cell; kept in the Parquet footer.
            columns: Column → values ``(N,)``.
            examples: ``x_adv``, what the library returned, ``(N,C,H,W)``, and ``seen``, what the classifier gets.

        Raises:
            StoreError: No space or no permission; nothing that was there is lost.
        """
        weights.save(examples, self.root / "examples" / f"{key}.safetensors", {"cell": key})
        self.write_table(self.cell_path(key), about, columns)
        self._failure_path(key).unlink(missing_ok=True)

    def write_table(self, path: Path, about: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> None:
        """Write columns to a Parquet file with a JSON footer.

        Raises:
            StoreError: No space or no permission.
        """
        footer = {FOOTER: json.dumps(about, sort_keys=True).encode()}
        table = pa.table(dict(columns)).replace_schema_metadata(footer)
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        weights.write_whole(path, buffer.getvalue())

    def read_table_about(self, path: Path) -> dict[str, Any]:
        """The footer of a Parquet file.

        Raises:
            StoreError: It can't be read.
        """
        try:
            return dict(json.loads(pq.read_schema(path).metadata[FOOTER]))
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise StoreError(f"{path} is damaged ({error}): delete it, and `frontdef run` makes it again") from None

    def write_failure(self, key: str, about: Mapping[str, Any]) -> None:
        """Record that a cell failed, with its traceback."""
        weights.write_whole(self._failure_path(key), json.dumps(about, indent=1).encode())

    def read_failure(self, key: str) -> dict[str, Any]:
        """What is recorded of a failed cell."""
        return dict(json.loads(self._failure_path(key).read_text(encoding="utf-8")))

    def write_diagnosis(self, key: str, diagnosis: Mapping[str, Any]) -> None:
        """Store a diagnosis."""
        weights.write_whole(self._diagnosis_path(key), json.dumps(diagnosis, indent=1).encode())

    def read_diagnosis(self, key: str) -> dict[str, Any] | None:
        """A diagnosis, or None where it was not made."""
        path = self._diagnosis_path(key)
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def forget_failures(self, keys: Iterable[str]) -> int:
        """Delete the records of failures, so that the cells are run again; returns how many there were."""
        failures = [self._failure_path(key) for key in keys if self.failed(key)]
        for path in failures:
            path.unlink()
        return len(failures)

    def forget(self, keys: Iterable[str]) -> None:
        """Delete cells, so that they are run again."""
        for key in keys:
            self.cell_path(key).unlink(missing_ok=True)
            self._failure_path(key).unlink(missing_ok=True)

    def write_tensors(self, folder: str, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Store pictures or images that belong to the run and not to one cell."""
        weights.save(tensors, self.root / folder / f"{name}.safetensors", about)

    def read_tensors(self, folder: str, name: str) -> dict[str, Tensor]:
        """Read what `write_tensors` or `write_cell` stored.

        Raises:
            StoreError: Missing or damaged.
        """
        return weights.load(self.root / folder / f"{name}.safetensors")[0]

    def cell_path(self, key: str) -> Path:
        """Where a cell's records are."""
        return self.root / "cells" / f"{key}.parquet"

    def certificate_path(self, key: str) -> Path:
        """Where a certificate's results are."""
        return self.root / "certificates" / f"{key}.parquet"

    def metric_path(self, key: str) -> Path:
        """Where the values of a metric are."""
        return self.root / "metrics" / f"{key}.parquet"

    def _diagnosis_path(self, key: str) -> Path:
        return self.root / "diagnoses" / f"{key}.json"

    def _failure_path(self, key: str) -> Path:
        return self.root / "failures" / f"{key}.json"

    def require_space(self, n_bytes: int) -> None:
        """Check that the disk has room for what a run will write.

        Raises:
            StoreError: It has not.
        """
        folder = next(parent for parent in (self.root, *self.root.resolve().parents) if parent.exists())
        free = shutil.disk_usage(folder).free
        if free < n_bytes:
            raise StoreError(
                f"{self.root} needs about {n_bytes / 1e6:.0f} MB and the disk has {free / 1e6:.0f} MB free"
            )
