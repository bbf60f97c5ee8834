"""Writes run folders as the runner does, for tests that bring their own numbers."""

from __future__ import annotations

from pathlib import Path

from frontdef.runs.head import Head, JobEntry
from frontdef.runs.store import Store, encode
from frontdef.runs.table import Rows, Table


class RunWriter:
    """A run folder under construction; `finish` writes its head.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.entries: list[JobEntry] = []

    def add(self, table: Table, key: str, about: dict, rows: Rows | None = None, *, failure: str = "") -> None:
        """A job that is done, has failed, or is missing; columns that no test looks at are 0."""
        self.entries.append(JobEntry(key=key, table=table.name, what=f"{table.name} {key}", about=about))
        if rows is not None:
            blank = {"varchar": "", "boolean": False, "double": 0.0, "bigint": 0, "integer": 0}
            columns = {name: blank[column.type] for name, column in table.stored.items()} | dict(rows.columns)
            said = {"wall": 1.0, **rows.about}
            self.store.write(table.name, key, encode(table, key, Rows(columns, said)), rows.tensors)
        elif failure:
            self.store.write_failure(table.name, key, f"{table.name} {key}", failure)

    def clean(self, dataset: str, tensors: dict) -> None:
        """The samples of a data set."""
        self.store.write_tensors("clean", dataset, tensors)

    def finish(self, **head) -> None:
        """Write the head."""
        self.store.write_head(Head(jobs=tuple(self.entries), **head))
