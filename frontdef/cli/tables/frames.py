"""Answers to queries, and tracebacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from frontdef.cli.sheets import Sheet, SheetCell, SheetColumn, to_terminal, words

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


def failed_sheet(results: Results) -> Sheet:
    """What failed, a row each, with its traceback."""
    names = ("key", "what", "error")
    rows = [[words(failure[name]) for name in names] for failure in results.failures()]
    return Sheet("what failed", [SheetColumn(name, name) for name in names], rows)


def print_frame(console: Console, frame: pd.DataFrame) -> None:
    """A data frame as a table."""
    to_terminal(console, frame_sheet(frame))


def frame_sheet(frame: pd.DataFrame, title: str = "") -> Sheet:
    """A data frame as a table.

    Args:
        frame: The frame.
        title: What it is about.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    columns = [
        SheetColumn(str(name), str(name), numbers=bool(is_numeric_dtype(kind) and not is_bool_dtype(kind)))
        for name, kind in frame.dtypes.items()
    ]
    rows = [[SheetCell(_value(value), value) for value in row] for row in frame.itertuples(index=False)]
    return Sheet(title, columns, rows, keys=min(1, len(columns) - 1))


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
