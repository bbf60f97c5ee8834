"""What metrics measured: means with their intervals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console

from frontdef.cli.sheets import Sheet, SheetCell, SheetColumn, to_terminal, words
from frontdef.verdicts.measured import measured, written, written_unit

if TYPE_CHECKING:
    from frontdef.matrix.results import MatrixResults


def print_metrics(console: Console, results: MatrixResults) -> None:
    """Each metric as a table: a row a defense and quantity."""
    tables = metric_sheets(results)
    if not tables:
        console.print("no metric was measured: `frontdef ls metrics` lists them, [[metric]] in a matrix asks for one")
    for sheet in tables:
        to_terminal(console, sheet)


def metric_sheets(results: MatrixResults) -> list[Sheet]:
    """A table a metric."""
    rows = measured(results.metrics())
    several = len({(row.dataset, row.classifier) for row in rows}) > 1
    columns = [
        SheetColumn("defense", "defense"),
        *((SheetColumn("data", "dataset"), SheetColumn("classifier", "classifier")) if several else ()),
        SheetColumn("quantity", "quantity"),
        SheetColumn("unit", "unit"),
        SheetColumn("n", "n", numbers=True),
        *(SheetColumn(name, name, numbers=True) for name in ("mean", "low", "high", "median")),
    ]
    tables = []
    for metric, parameters in dict.fromkeys((row.metric, row.parameters) for row in rows):
        settings = ", ".join(f"{name}={value}" for name, value in json.loads(parameters).items())
        lines = [
            [
                words(row.defense),
                *((words(row.dataset), words(row.classifier)) if several else ()),
                words(row.quantity),
                SheetCell(written_unit(row.unit), row.unit),
                SheetCell(str(row.n), row.n),
                SheetCell(written(row.mean, row.unit), row.mean, bold=True),
                *(SheetCell(written(value, row.unit), value) for value in (row.low, row.high, row.median)),
            ]
            for row in rows
            if (row.metric, row.parameters) == (metric, parameters)
        ]
        title = f"{metric}{f' ({settings})' if settings else ''}: mean over the samples, its 95 % interval, and median"
        tables.append(Sheet(title, columns, lines, keys=4 if several else 2))
    return tables
