"""What metrics measured: means with their intervals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console

from frontdef.cli.sheets import Cell, Column, Sheet, to_terminal, words
from frontdef.verdicts.measured import measured

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
        Column("defense", "defense"),
        *((Column("data", "dataset"), Column("classifier", "classifier")) if several else ()),
        Column("quantity", "quantity"),
        Column("unit", "unit"),
        Column("mean", "mean", numbers=True),
        Column("from (95 %)", "low", numbers=True),
        Column("to", "high", numbers=True),
        Column("median", "median", numbers=True),
        Column("samples", "n", numbers=True),
    ]
    tables = []
    for metric, parameters in dict.fromkeys((row.metric, row.parameters) for row in rows):
        settings = ", ".join(f"{name}={value}" for name, value in json.loads(parameters).items())
        lines = [
            [
                words(row.defense),
                *((words(row.dataset), words(row.classifier)) if several else ()),
                words(row.quantity),
                words(row.unit),
                Cell(f"{row.mean:.4g}", row.mean, bold=True),
                *(Cell(f"{end:.3g}", end) for end in (row.low, row.high)),
                Cell(f"{row.median:.4g}", row.median),
                Cell(str(row.n), row.n),
            ]
            for row in rows
            if (row.metric, row.parameters) == (metric, parameters)
        ]
        tables.append(Sheet(f"{metric}  {settings}".strip(), columns, lines, keys=4 if several else 2))
    return tables
