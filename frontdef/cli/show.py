"""What the terminal shows of a run, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from frontdef.cli.sheets import Sheet
from frontdef.counts import plural
from frontdef.lazy import resolve
from frontdef.runs.results import Results
from frontdef.runs.shard import Shard


class Shown(NamedTuple):
    """How a kind of run is shown.

    Args:
        print: ``(console, results) -> whether every certified sample stood``, as a reference.
        sheets: ``(results) -> list[Sheet]``, the same tables as data, as a reference.
    """

    print: str
    sheets: str


SHOWN: Mapping[str, Shown] = {
    "matrix": Shown("frontdef.cli.tables:print_results", "frontdef.cli.tables.robustness:sheets"),
    "study": Shown("frontdef.cli.layers:print_analysis", "frontdef.cli.layers:sheets"),
}
"""Kind of a run → how it is shown."""


def show(console: Console, results: Results, shard: Shard | None = None) -> bool:
    """Print what a run found.

    Args:
        console: Where to.
        results: The run.
        shard: Which share of its jobs was asked for; None for all.

    Returns:
        Whether every certified sample stood.
    """
    print_kind: Callable[[Console, Results], bool | None] = resolve(SHOWN[results.head.kind].print)
    stood = print_kind(console, results) is not False
    if said := unfinished(results, shard):
        console.print(Text(said, style="yellow"), soft_wrap=True)
    return stood


def sheets(results: Results) -> list[Sheet]:
    """The tables of a run as data."""
    make: Callable[[Results], list[Sheet]] = resolve(SHOWN[results.head.kind].sheets)
    return make(results)


def unfinished(results: Results, shard: Shard | None = None) -> str:
    """That not all of a run is there, and what goes on with it; empty where all is."""
    states = [job.status for job in results.jobs]
    missing, failed = states.count("missing"), states.count("failed")
    if not missing + failed:
        return ""
    total = plural(len(states), "job")
    parts = [f"{missing} of {total} have not been run"] if missing else []
    parts += [f"{failed} have failed" if missing else f"{failed} of {total} have failed"] if failed else []
    further = (
        f"this is shard {shard.index}/{shard.count}, and `frontdef merge` joins the folders of all"
        if shard
        else f"`{results.head.command}` goes on with it"
    )
    mend = [further] if missing else []
    mend += [f"`frontdef results {results.path} --failed` shows why"] if failed else []
    return f"not all of it: {' and '.join(parts)}; {', '.join(mend)}"
