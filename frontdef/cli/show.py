"""What the terminal shows of a run, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from rich.console import Console

from frontdef.lazy import resolve
from frontdef.runs.results import Results

SHOWN: Mapping[str, str] = {
    "matrix": "frontdef.cli.tables:print_results",
    "study": "frontdef.cli.layers:print_analysis",
}
"""Kind of a run → ``(console, results) -> whether every certified sample stood``."""


def show(console: Console, results: Results) -> bool:
    """Print what a run found.

    Returns:
        Whether every certified sample stood.
    """
    print_kind = cast("Callable[[Console, Results], bool | None]", resolve(SHOWN[results.head.kind]))
    return print_kind(console, results) is not False
