"""Plain tables for the terminal, at most 100 columns wide; need nothing but click."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

import click

WIDTH = 100
GAP = "  "


def width() -> int:
    """Columns to write in: the terminal's, at most 100; 100 where there is no terminal."""
    return max(60, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def printable(text: str) -> str:
    """Text with control characters replaced: names and messages of plugins reach a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def plural(count: int, singular: str, several: str) -> str:
    """``1 defense``, ``2 defenses``."""
    return f"{count} {singular if count == 1 else several}"


def print_json(value: Any) -> None:
    """Print JSON for machines, indented for people."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


class TextTable:
    """A table that is printed row by row; its columns are aligned and its last one is wrapped.

    A row's color is that of its last column but one.

    Args:
        titles: Titles of the columns.
        widths: Widths of all columns but the last.
    """

    def __init__(self, titles: Sequence[str], widths: Sequence[int]) -> None:
        self._widths = [max(len(title), width) for title, width in zip(titles, widths, strict=False)]
        click.echo(click.style(self._line(titles[:-1], titles[-1]), bold=True))

    def row(self, cells: Sequence[str], color: str | None = None) -> None:
        """Print a row; line breaks in its last cell are kept."""
        indent = sum(self._widths) + len(GAP) * len(self._widths)
        first, *rest = _wrap(cells[-1], max(20, width() - indent)) or [""]
        click.echo(self._line([printable(cell) for cell in cells[:-1]], first, color))
        for line in rest:
            click.echo(" " * indent + line)

    def _line(self, cells: Sequence[str], last: str, color: str | None = None) -> str:
        padded = [cell.ljust(size) for cell, size in zip(cells, self._widths, strict=True)]
        if color and padded:
            padded[-1] = click.style(padded[-1], fg=color)
        return GAP.join([*padded, last]).rstrip()


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, colors: Sequence[str] = ()) -> None:
    """Print a whole table.

    Args:
        titles: Titles of the columns.
        rows: Cells.
        colors: One for each row; none at all by default.
    """
    table = TextTable(titles, [max((len(row[column]) for row in rows), default=0) for column in range(len(titles) - 1)])
    for number, row in enumerate(rows):
        table.row(row, colors[number] if colors else None)


def print_note(text: str, *, bullet: str = "") -> None:
    """Print a wrapped paragraph, hanging from its bullet."""
    hang = " " * (len(bullet) + 1 if bullet else 0)
    for line in _wrap(text, width() - len(hang)):
        click.echo(f"{bullet} {line}" if bullet else line)
        bullet = " " * len(bullet)


def _wrap(text: str, columns: int) -> list[str]:
    return [
        line
        for part in text.split("\n")
        for line in textwrap.wrap(printable(part), columns, break_long_words=False, break_on_hyphens=False)
    ]
