"""The jobs of a run, as they were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from frontdef.cli.answer import answer
from frontdef.cli.sheets import Sheet, SheetCell, SheetColumn, to_terminal, words
from frontdef.counts import plural

if TYPE_CHECKING:
    from frontdef.runs.results import Results

STORED = {"ok": "yes", "failed": "failed", "missing": "no"}


def print_stored_plan(console: Console, results: Results) -> None:
    """Each job, whether it is stored, and the seconds that it took."""
    columns = [
        SheetColumn("key", "key"),
        SheetColumn("table", "table"),
        SheetColumn("job", "what"),
        SheetColumn("stored", "stored"),
    ]
    rows = [
        [
            words(job.entry.key[:8]),
            words(job.entry.table),
            words(job.entry.what),
            words(STORED[job.status]),
            SheetCell(f"{job.about['wall']:.1f} s" if "wall" in job.about else "", job.about.get("wall")),
        ]
        for job in results.jobs
    ]
    answer(
        jobs=[
            {"key": job.entry.key, "table": job.entry.table, "what": job.entry.what, "stored": STORED[job.status],
             "seconds": job.about.get("wall")}
            for job in results.jobs
        ]
    )  # fmt: skip
    to_terminal(console, Sheet(plural(len(rows), "job"), [*columns, SheetColumn("took", "wall", numbers=True)], rows))
    for line in results.head.skipped:
        console.print(Text(f"no job: {line}"), soft_wrap=True)
    took = sum(job.about.get("wall", 0.0) for job in results.jobs)
    done = sum(job.status == "ok" for job in results.jobs)
    console.print(
        Text(f"{done} of {plural(len(rows), 'job')} are stored and took {took:.0f} s in all: `{results.head.command}`")
    )
