"""Tables: every column that a run stores, with its type, its meaning and its unit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from frontdef.reading import parse_json

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import BaseModel

    from frontdef.runs.results import Results
    from frontdef.tensorfile import TensorWriter

Type = Literal["varchar", "bigint", "integer", "double", "boolean"]

JSON: dict[Type, type | tuple[type, ...]] = {
    "varchar": str, "bigint": int, "integer": int, "double": (int, float), "boolean": bool,
}  # fmt: skip
"""A column's type → that of its values in JSON."""

OBJECTS = frozenset({"parameters"})
"""Columns whose texts are objects in JSON."""


class Column(NamedTuple):
    """A column: its type in DuckDB, and what it means, with its unit."""

    type: Type
    meaning: str


@dataclass(frozen=True, eq=False)
class Table:
    """A table that jobs fill: one file a job, ``NAME/KEY.parquet`` in the run folder.

    Args:
        name: Of the folder and in SQL.
        columns: Column → type and meaning, in their order.
        joined: Columns that a job's description holds instead of its file; they are added when the table is read.
        described: Further columns, of views, that a job's description has to hold.
        tensors: Whether a job that has rows keeps pictures or examples beside them.
        told: What a job tells beside its rows is read back through this model; None: it may be anything.
    """

    name: str
    columns: Mapping[str, Column]
    joined: tuple[str, ...] = ()
    described: tuple[str, ...] = ()
    tensors: bool = False
    told: type[BaseModel] | None = None

    @property
    def stored(self) -> Mapping[str, Column]:
        """The columns of a job's file."""
        return {name: column for name, column in self.columns.items() if name not in self.joined}


@dataclass(frozen=True, eq=False)
class View:
    """A table that is computed from others when it is asked for.

    Args:
        name: In SQL.
        columns: Column → type and meaning, in their order.
        make: SQL over the tables, or a function of the results.
    """

    name: str
    columns: Mapping[str, Column]
    make: str | Callable[[Results], pd.DataFrame]


@dataclass(frozen=True, eq=False)
class Rows:
    """What a job ends in.

    Args:
        columns: Column → values ``(N,)``, or one value for all rows; those of the job's table that its file holds.
        about: What is known of the job beside its rows, JSON values.
        tensors: Pictures or examples, kept beside the rows: name → tensor, or the file of `Inventory.stream`.
    """

    columns: Mapping[str, Any]
    about: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Any] | TensorWriter = field(default_factory=dict)


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: half of a pair of code units can't, though JSON and Python let it stand."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=10_000)
def is_object(value: str) -> bool:
    """Whether a text is an object in JSON; the jobs of a run have few different ones."""
    try:
        read = parse_json(value)
        return isinstance(read, dict) and is_text(json.dumps(read, ensure_ascii=False))
    except ValueError:
        return False
