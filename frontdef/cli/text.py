"""Plain tables for the terminal, at most 100 columns wide; need nothing but click."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import click

WIDTH = 100
GAP = "  "

LAST = 20
"""Columns that the last column of a table has, whatever the others take."""

NARROW = 8
"""Columns below which no column gets."""


def width() -> int:
    """Columns to write in: the terminal's, at most 100; 100 where there is no terminal."""
    return max(60, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def printable(text: str) -> str:
    """Text with control characters replaced: names and messages of plugins reach a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def print_json(value: Any) -> None:
    """Print JSON for machines, indented for people."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


class TextTable:
    """A table that is printed row by row; its columns are aligned, and words that have no room are wrapped.

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
        columns = [_cell(cell, size) for cell, size in zip(cells, self._widths, strict=False)]
        columns.append(_wrap(cells[-1], max(LAST, width() - indent), break_long_words=True))
        for number, (*line, last) in enumerate(zip_longest(*columns, fillvalue="")):
            click.echo(self._line(line, last, color if number == 0 else None))

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
    table = TextTable(titles, _widths(titles, rows))
    for number, row in enumerate(rows):
        table.row(row, colors[number] if colors else None)


def print_note(text: str, *, bullet: str = "") -> None:
    """Print a wrapped paragraph, hanging from its bullet."""
    hang = " " * (len(bullet) + 1 if bullet else 0)
    for line in _wrap(text, width() - len(hang)):
        click.echo(f"{bullet} {line}" if bullet else line)
        bullet = " " * len(bullet)


def _widths(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Of all columns but the last, the widest ones narrowed until all have room: to their longest word, then below.

    The first column is that of names, which people search for: it is narrowed last.
    """
    columns = [[title, *cells] for title, *cells in zip(titles, *rows, strict=True)]
    words = [max(len(word) for cell in column for word in _pieces(cell)) for column in columns]
    widths = [max(map(len, column)) for column in columns[:-1]]
    room = width() - len(GAP) * len(widths) - max(min(LAST, max(map(len, columns[-1]))), min(words[-1], LAST))
    narrow = [NARROW] * len(widths)
    for least in ([*widths[:1], *words[1:-1]], [*widths[:1], *narrow[1:]], narrow):
        while sum(widths) > room:
            spare = [size - floor for size, floor in zip(widths, least, strict=True)]
            if max(spare) <= 0:
                break
            widths[max(range(len(widths)), key=lambda place: (spare[place] > 0, widths[place]))] -= 1
    return widths


def _pieces(text: str) -> list[str]:
    """What a line may end after."""
    return text.replace("-", "- ").split() or [""]


def _cell(text: str, columns: int) -> list[str]:
    """The lines of a cell that is not the last; what fits stays as it is."""
    text = printable(text)
    return [text] if len(text) <= columns else textwrap.wrap(text, columns)


def _wrap(text: str, columns: int, *, break_long_words: bool = False) -> list[str]:
    return [
        line
        for part in text.split("\n")
        for line in textwrap.wrap(printable(part), columns, break_long_words=break_long_words, break_on_hyphens=False)
    ]
