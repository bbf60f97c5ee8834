"""What a run would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from frontdef.cli.answer import answer
from frontdef.counts import plural
from frontdef.threat import format_eps

if TYPE_CHECKING:
    from frontdef.runs.estimate import Estimate
    from frontdef.runs.plan import Plan
    from frontdef.runs.store import Store


def print_plan(console: Console, plan: Plan, store: Store, estimated: Estimate) -> None:
    """Jobs, what is stored of them, and the estimate."""
    table = Table(title=plural(len(plan.jobs), "job"), title_justify="left", title_style="bold")
    for name in ("key", "table", "job", "stored", "estimate"):
        table.add_column(name, justify="right" if name == "estimate" else "left", no_wrap=name == "key")
    listed: list[dict[str, Any]] = []
    for job in plan.jobs:
        state = "yes" if store.has(job.table.name, job.key) else "failed" if store.failed(job.key) else "no"
        listed.append({"key": job.key, "table": job.table.name, "what": str(job), "stored": state,
                     "seconds": estimated.jobs.get(job.key)})  # fmt: skip
        table.add_row(job.key[:8], job.table.name, Text(str(job)), state, _duration(estimated, job.key))
    answer(jobs=listed, skipped=plan.skipped, radii=plan.radii)
    console.print(table)
    for line in plan.skipped:
        console.print(Text(f"no job: {line}"))
    if plan.radii:
        console.print(f"radii at which minimum-norm attacks are judged: {_radii(plan.radii)}")
    if plan.kind == "matrix" and (told := _tells(plan)):
        console.print(Text(told))
    console.print(Text(estimated.summary()))
    console.print(Text(estimated.footprint.summary()))


def _duration(estimated: Estimate, key: str) -> str:
    if key not in estimated.jobs:
        return ""
    seconds = estimated.jobs[key]
    return "unknown" if seconds is None else f"{seconds:.1f} s"


def _radii(radii: Mapping[str, Sequence[float]]) -> str:
    return "; ".join(
        f"{norm}: {', '.join(format_eps(eps) for eps in values)}" for norm, values in radii.items() if values
    )


def _tells(plan: Plan) -> str:
    from frontdef.matrix.decide import tells

    return tells(plan)
