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
    found = measured(results.metrics())
    if not found:
        console.print("no metric was measured: `frontdef ls metrics` lists them, [[metric]] in a matrix asks for one")
    several = len({(one.dataset, one.classifier) for one in found}) > 1
    for metric, parameters in dict.fromkeys((one.metric, one.parameters) for one in found):
        given = ", ".join(f"{name}={value}" for name, value in json.loads(parameters).items())
        table = Table(title=f"{metric}  {given}".strip(), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for name in ("defense", *(("data", "classifier") if several else ()), "quantity", "unit"):
            table.add_column(name)
        for name in ("mean", "95 % interval", "median", "samples"):
            table.add_column(name, justify="right", no_wrap=True)
        for one in found:
            if (one.metric, one.parameters) == (metric, parameters):
                where = (one.dataset, one.classifier) if several else ()
                interval = f"{one.low:.3g} to {one.high:.3g}"
                numbers = (f"{one.mean:.4g}", interval, f"{one.median:.4g}", str(one.n))
                table.add_row(Text(one.defense), *where, one.quantity, one.unit, *numbers)
        console.print(table)
