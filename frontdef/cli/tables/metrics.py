"""What metrics measured: means with their intervals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from frontdef.verdicts.measured import measured

if TYPE_CHECKING:
    from frontdef.runs.results import Results


def print_metrics(console: Console, results: Results) -> None:
    """Each metric as a table: a row a defense and quantity."""
    rows = measured(results.metrics())
    if not rows:
        console.print("no metric was measured: `frontdef ls metrics` lists them, [[metric]] in a matrix asks for one")
    several = len({(row.dataset, row.classifier) for row in rows}) > 1
    for metric, parameters in dict.fromkeys((row.metric, row.parameters) for row in rows):
        settings = ", ".join(f"{name}={value}" for name, value in json.loads(parameters).items())
        table = Table(
            title=f"{metric}  {settings}".strip(), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
        )
        for name in ("defense", *(("data", "classifier") if several else ()), "quantity", "unit"):
            table.add_column(name)
        for name in ("mean", "95 % interval", "median", "samples"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            if (row.metric, row.parameters) == (metric, parameters):
                where = (row.dataset, row.classifier) if several else ()
                interval = f"{row.low:.3g} to {row.high:.3g}"
                numbers = (f"{row.mean:.4g}", interval, f"{row.median:.4g}", str(row.n))
                table.add_row(Text(row.defense), *where, row.quantity, row.unit, *numbers)
        console.print(table)
