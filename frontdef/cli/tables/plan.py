"""What a run would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from frontdef.attacks.spec import shown
from frontdef.matrix.plan import Plan, describe_radii

if TYPE_CHECKING:
    from frontdef.matrix.estimate import Estimate
    from frontdef.matrix.jobs import Cell
    from frontdef.matrix.store import Store


def print_plan(console: Console, plan: Plan, store: Store, estimated: Estimate) -> None:
    """Cells by defense and attack, what is stored, and the estimate."""
    table = Table(title=f"{len(plan.cells)} cells", title_justify="left", title_style="bold")
    for name in ("key", "data", "classifier", "defense", "attack", "library", "stored", "estimate"):
        table.add_column(name, justify="right" if name == "estimate" else "left", no_wrap=name == "key")
    for cell in plan.cells:
        state = "yes" if store.has(cell.key) else "failed" if store.failed(cell.key) else "no"
        seconds = estimated.cells.get(cell.key)
        table.add_row(
            cell.key[:8], cell.request.dataset, cell.request.classifier, Text(cell.entry.title), Text(_asked(cell)),
            cell.library, state, "" if seconds is None else f"{seconds:.1f} s",
        )  # fmt: skip
    console.print(table)
    for line in plan.skipped:
        console.print(Text(f"no cell: {line}"))
    console.print(f"radii at which minimum-norm attacks are judged: {describe_radii(plan.radii)}")
    console.print(f"{len(plan.certifications)} certificates, {len(plan.measurements)} metrics")
    console.print(Text(estimated.summary()))


def _asked(cell: Cell) -> str:
    return shown(str(cell.spec), cell.source.title if cell.source else "")
