"""Answers to queries, and tracebacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from frontdef.runs.results import Results


def print_failures(console: Console, results: Results) -> None:
    """The tracebacks of what failed."""
    failures = results.failures()
    if not failures:
        console.print("nothing failed")
    for failure in failures:
        console.print(Text(f"{failure['key']} {failure['what']}", style="bold red"))
        console.print(Text(failure["error"]))


def print_frame(console: Console, frame: pd.DataFrame) -> None:
    """A data frame as a table."""
    from pandas.api.types import is_numeric_dtype

    table = Table()
    for name in frame.columns:
        table.add_column(str(name), justify="right" if is_numeric_dtype(frame[name]) else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*(Text(_value(value)) for value in row))
    console.print(table)


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
