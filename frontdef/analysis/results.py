"""Reading an analysis: data frames and SQL."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from frontdef.analysis.columns import TABLES, VIEWS
from frontdef.analysis.store import AnalysisStore
from frontdef.errors import StoreError


class Analysis:
    """An analysis that was stored.

    Args:
        path: The folder.

    Raises:
        StoreError: No analysis there, or one in another format.
    """

    def __init__(self, path: str | Path) -> None:
        self.store = AnalysisStore(Path(path))
        self.about = self.store.read_head()

    @property
    def path(self) -> Path:
        """The folder."""
        return self.store.root

    @property
    def units(self) -> list[dict[str, str]]:
        """What was asked for: key, table, and what it is."""
        return list(self.about["units"])

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order of the study."""
        return [unit["what"].removeprefix("layers ") for unit in self.units if unit["table"] == "layers"]

    @cached_property
    def footers(self) -> dict[str, dict[str, Any]]:
        """Key of each finished unit → what is known of it beside its rows."""
        done = (unit for unit in self.units if self.store.has(unit["table"], unit["key"]))
        return {unit["key"]: self.store.about(unit["table"], unit["key"]) for unit in done}

    def notes(self) -> list[str]:
        """What was left out in finished units, and why, one line each."""
        found = ((unit["what"], self.footers.get(unit["key"], {}).get("skipped", {})) for unit in self.units)
        return [f"{what}: not of {layer}, {why}" for what, skipped in found for layer, why in skipped.items()]

    def failures(self) -> list[dict[str, str]]:
        """What failed: what it is, and its traceback."""
        found = (self.store.failure(unit["key"]) for unit in self.units if unit["key"] not in self.footers)
        return [failure for failure in found if failure is not None]

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        database = duckdb.connect()
        for table, columns in TABLES.items():
            declared = ", ".join(f'"{name}" {column.type}' for name, column in columns.items())
            database.execute(f"create table {table} ({declared})")
            keys = [unit["key"] for unit in self.units if unit["table"] == table and unit["key"] in self.footers]
            if keys:
                paths = [str(self.store.path(table, key)) for key in keys]
                names = ", ".join(f'"{name}"' for name in columns)
                database.execute(f"insert into {table} select {names} from read_parquet(?)", [paths])
        for view, (_, query) in VIEWS.items():
            database.execute(f"create view {view} as {query}")
        return database

    def sql(self, query: str) -> pd.DataFrame:
        """Ask with SQL (DuckDB) over the tables of `frontdef.analysis.columns`.

        Raises:
            StoreError: The query is wrong; DuckDB's message is given.
        """
        try:
            return self._database.execute(query).df()
        except duckdb.Error as error:
            raise StoreError(f"{error}. Tables: {', '.join((*TABLES, *VIEWS))}") from None

    def table(self, name: str) -> pd.DataFrame:
        """A whole table or view.

        Raises:
            StoreError: No such table.
        """
        return self.sql(f'select * from "{name}"')


def labels_of(found: pd.DataFrame) -> list[str]:
    """Labels of the layers in a table, in the order of the longest of the models' lists."""
    return [str(label) for label in found.groupby("label", sort=False)["layer"].max().sort_values(kind="stable").index]


def load_analysis(path: str | Path) -> Analysis:
    """Open the folder of an analysis.

    Args:
        path: The folder that ``frontdef analyze`` named.

    Raises:
        StoreError: No analysis there, or one in another format.
    """
    return Analysis(path)
