"""A paper's numbers beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from frontdef.cli.sheets import Sheet, SheetColumn, to_terminal, words
from frontdef.verdicts.reproduced import TITLES, Comparison, causes, told

if TYPE_CHECKING:
    from frontdef.runs.results import Results
    from frontdef.verdicts.paper import Paper


NUMBERS = ("paper", "ours", "n")


def print_comparison(console: Console, results: Results, paper: Paper) -> None:
    """Each table of the paper for which the run is meant, with the causes of differences below.

    Raises:
        ConfigError: The paper has no table of this run, or one that names what its summary lacks.
    """
    tables = results.compared(paper)
    console.print(Text(paper.paper))
    for name, comparisons in tables.items():
        _print(console, name, comparisons)


def _print(console: Console, name: str, comparisons: list[Comparison]) -> None:
    columns = [SheetColumn(title, title, numbers=title in NUMBERS) for title in TITLES]
    to_terminal(console, Sheet(name, columns, [list(map(words, told(comparison))) for comparison in comparisons]))
    for cause in causes(comparisons):
        console.print(Text(cause))
