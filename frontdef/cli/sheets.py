"""A table as data, and the ways to write it: for a terminal of any width, as CSV, Markdown, LaTeX, JSON, HTML."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from frontdef.cli.text import printable
from frontdef.cli.webpage import to_html

TEXTS = (40, 32, 24, 16, 12, 9)
"""Letters to which a text is wrapped: the first with which the columns that every part repeats leave half the width."""


class SheetCell(NamedTuple):
    """What stands in a place: as people read it, and as programs do.

    Args:
        text: As people read it.
        value: A number, a text, a truth value, or None where there is nothing.
        bold: Whether it is what the row is about.
    """

    text: str
    value: Any
    bold: bool = False


def words(text: str) -> SheetCell:
    """A cell of words."""
    return SheetCell(text, text)


@dataclass(frozen=True)
class SheetColumn:
    """A column.

    Args:
        title: As people read it.
        name: As programs do.
        numbers: Whether it holds numbers: these are never wrapped.
        told: Whether people read it; else it is for programs, and people find it in another column or the title.
    """

    title: str
    name: str
    numbers: bool = False
    told: bool = True


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table.

    Args:
        title: What it is about.
        columns: Its columns.
        rows: Cells.
        keys: So many of the first columns say what a row is about; every part of a table that is too wide repeats them.
    """

    title: str
    columns: Sequence[SheetColumn]
    rows: Sequence[Sequence[SheetCell]]
    keys: int = 1

    def for_people(self) -> Sheet:
        """Without the columns that only programs read."""
        kept = [place for place, column in enumerate(self.columns) if column.told]
        rows = [[row[place] for place in kept] for row in self.rows]
        keys = sum(place < self.keys for place in kept)
        return Sheet(self.title, [self.columns[place] for place in kept], rows, keys)


def to_terminal(console: Console, sheet: Sheet) -> None:
    """Print it: in parts where it is too wide, one below the other. Nothing is left out, and no number is wrapped."""
    sheet = sheet.for_people()
    first, rest = range(len(sheet.columns))[: sheet.keys], range(len(sheet.columns))[sheet.keys :]
    texts = next((widest for widest in TEXTS if _width(_widths(sheet, first, widest)) <= console.width / 2), TEXTS[-1])
    keys, widths = _widths(sheet, first, texts), _widths(sheet, rest, texts)
    title, start = sheet.title, 0
    while True:
        end = start + 1
        while end < len(rest) and _width([*keys, *widths[start : end + 1]]) <= console.width:
            end += 1
        console.print(_drawn(sheet, [*first, *rest[start:end]], [*keys, *widths[start:end]], title))
        title, start = f"{sheet.title}, continued", end
        if start >= len(rest):
            return


def _widths(sheet: Sheet, columns: Sequence[int], texts: int) -> list[int]:
    """The letters of each column, words wrapped to so many. They are given: rich would take from those of numbers."""
    widths = []
    for place in columns:
        column = sheet.columns[place]
        lines = [line for row in sheet.rows for line in row[place].text.split("\n")]
        if column.numbers:
            widths.append(max(map(len, [*lines, *column.title.split()]), default=1))
        else:
            widths.append(max(1, min(max(map(len, [*lines, column.title])), texts)))
    return widths


def _width(widths: Sequence[int]) -> int:
    """Of a table of such columns: `_drawn` puts a space and a line's width after each, and one before the first."""
    return 1 + sum(widths) + 2 * len(widths)


def _drawn(sheet: Sheet, columns: Sequence[int], widths: Sequence[int], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, width in zip(columns, widths, strict=True):
        column = sheet.columns[place]
        table.add_column(column.title, justify="right" if column.numbers else "left", width=width, overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(row[place].text, style="bold" if row[place].bold else "") for place in columns))
    return table


def _records(sheet: Sheet) -> list[dict[str, Any]]:
    names = [column.name for column in sheet.columns]
    return [dict(zip(names, (_plain(cell.value) for cell in row), strict=True)) for row in sheet.rows]


def _plain(value: Any) -> Any:
    """A value of JSON; of what is no number there is none."""
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def to_csv(sheets: Sequence[Sheet]) -> str:
    """As CSV, numbers in full; where there are several tables, each under its title in a column ``table``."""
    several = len(sheets) > 1
    records = [{**({"table": sheet.title} if several else {}), **row} for sheet in sheets for row in _records(sheet)]
    names = list(dict.fromkeys(name for sheet in sheets for name in (column.name for column in sheet.columns)))
    out = io.StringIO()
    writer = csv.DictWriter(out, [*(["table"] if several else []), *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def to_json(sheets: Sequence[Sheet]) -> str:
    """As JSON: tables with their titles, and rows by name, numbers in full."""
    tables = [{"title": sheet.title, "rows": _records(sheet)} for sheet in sheets]
    return json.dumps(tables, indent=2, ensure_ascii=False) + "\n"


def to_markdown(sheets: Sequence[Sheet]) -> str:
    """As Markdown, a table under its title."""
    return "\n".join(_markdown(sheet.for_people()) for sheet in sheets)


def _markdown(sheet: Sheet) -> str:
    def line(cells: Sequence[str]) -> str:
        return (
            f"| {' | '.join(printable(cell.replace(chr(10), ' ')).replace('|', chr(92) + '|') for cell in cells)} |\n"
        )

    rule = ["---:" if column.numbers else "---" for column in sheet.columns]
    rows = [[f"**{cell.text}**" if cell.bold and cell.text else cell.text for cell in row] for row in sheet.rows]
    lines = [[column.title for column in sheet.columns], rule, *rows]
    return f"{printable(sheet.title)}\n\n{''.join(map(line, lines))}"


LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "ℓ∞": r"$\ell_\infty$", "ℓ2": r"$\ell_2$",
    "ℓ1": r"$\ell_1$", "ℓ0": r"$\ell_0$", "ε": r"$\varepsilon$", "–": "--", "±": r"$\pm$", "≤": r"$\le$", "≥": r"$\ge$",
    "✓": r"\checkmark{}", "✕": r"$\times$", "≈": r"$\approx$", "≠": r"$\ne$", "≉": r"$\not\approx$", "ℓ": r"$\ell$",
    "∞": r"$\infty$", "·": r"$\cdot$", "…": r"\dots{}",
}  # fmt: skip
"""What LaTeX reads otherwise, the longer first where one begins with another."""


def escaped(text: str) -> str:
    """A text that LaTeX sets as it stands."""
    out, place = [], 0
    text = printable(text.replace("\n", " "))
    while place < len(text):
        known = next((mark for mark in (text[place : place + 2], text[place]) if mark in LATEX), None)
        out.append(LATEX[known] if known else text[place])
        place += len(known or text[place])
    return "".join(out)


def to_latex(sheets: Sequence[Sheet]) -> str:
    """As LaTeX, for the package booktabs (and amssymb for marks), a ``table`` with its caption each."""
    return "% \\usepackage{booktabs,amssymb}\n" + "\n".join(_latex(sheet.for_people()) for sheet in sheets)


def _latex(sheet: Sheet) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"    {' & '.join(cells)} \\\\\n"

    kinds = "".join("r" if column.numbers else "l" for column in sheet.columns)
    head = line([escaped(column.title) for column in sheet.columns])
    rows = [
        line([rf"\textbf{{{escaped(cell.text)}}}" if cell.bold else escaped(cell.text) for cell in row])
        for row in sheet.rows
    ]
    return (
        "\\begin{table}\n"
        f"  \\caption{{{escaped(sheet.title)}}}\n"
        "  \\centering\n"
        f"  \\begin{{tabular}}{{{kinds}}}\n"
        f"    \\toprule\n{head}    \\midrule\n{''.join(rows)}    \\bottomrule\n"
        "  \\end{tabular}\n"
        "\\end{table}\n"
    )


WRITERS: Mapping[str, Callable[[Sequence[Sheet]], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "latex": to_latex,
    "json": to_json,
    "html": to_html,
}
"""Format → how tables are written in it; ``table``, for people, is printed by `to_terminal`."""

FORMATS = ("table", *WRITERS)
