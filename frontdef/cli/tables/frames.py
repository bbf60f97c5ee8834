"""Answers to queries, and tracebacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from frontdef.cli.sheets import Sheet, SheetCell, SheetColumn, to_terminal, words
from frontdef.counts import plural

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


CELLS = 5_000
"""Of a frame, printed as a table: more than anybody reads, in a second or two."""

LETTERS = 1_000
"""Of a cell of it."""


def print_frame(console: Console, frame: pd.DataFrame) -> None:
    """A data frame as a table: of a large one the beginning, with a line that says what is left out."""
    n_rows, n_columns = frame.shape
    sheet = frame_sheet(frame.iloc[: max(1, CELLS // max(1, n_columns)), :CELLS])
    rows = [[cell._replace(text=_cut(cell.text)) for cell in row] for row in sheet.rows]
    to_terminal(console, replace(sheet, rows=rows))
    cut = sum(len(cell.text) > LETTERS for row in sheet.rows for cell in row)
    counts = {"row": n_rows - len(rows), "column": n_columns - len(sheet.columns), "text": cut}
    if left := ", ".join(plural(count, name) for name, count in counts.items() if count):
        console.print(f"left out: {left}. --csv has all of it; LIMIT, or a GROUP BY, asks for less")


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}…"


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
