"""Do the libraries agree: a grid of attacks and pairs of libraries, and what needs a look."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from frontdef.attacks.spec import shown
from frontdef.registry import get_family
from frontdef.threat import NORM_LABELS, format_eps
from frontdef.verdicts.agreement import VERDICTS, Agreement, agreement

if TYPE_CHECKING:
    from frontdef.runs.results import Results

MARKS = {"identical": "=", "equivalent": "≈", "inconclusive": "?", "unexplained": "≉", "different": "≠", "invalid": "!"}
"""One mark a verdict, for the agreement grid."""

QUESTIONS = {
    "matched": "same parameters: is the code right?",
    "defaults": "each library's own defaults: what does a user get?",
}


def print_agreement(console: Console, results: Results) -> None:
    """Grids of library pairs × attacks, the worst verdict over defenses and radii, and the reasons below."""
    rows = agreement(results.outcomes(), results.examples, results.cells())
    if not rows:
        console.print("no two libraries ran the same attack: give the matrix more than one library")
        return
    for mode, question in QUESTIONS.items():
        here = [row for row in rows if row.mode == mode]
        if here:
            _print_grid(console, here, question)
    console.print("  ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items()))
    for row in rows:
        if row.verdict in {"different", "unexplained", "invalid"}:
            console.print(Text(f"{_where(row)}: {row.reason}{_spent(row)}"), soft_wrap=True)


def _print_grid(console: Console, rows: list[Agreement], question: str) -> None:
    pairs = list(dict.fromkeys((row.library_a, row.library_b) for row in rows))
    title = f"{question} Worst over defenses and radii, with its cause"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("attack")
    for a, b in pairs:
        table.add_column(f"{a}\n{b}")
    for attack in dict.fromkeys(_attack(row) for row in rows):
        mine = [row for row in rows if _attack(row) == attack]
        table.add_row(
            attack, *(_worst([row for row in mine if (row.library_a, row.library_b) == pair]) for pair in pairs)
        )
    console.print(table)


def _where(row: Agreement) -> str:
    libraries = f"{row.library_a} and {row.library_b}"
    return f"{_attack(row)} ε={format_eps(row.eps)} on {row.dataset} {row.defense}, {libraries}"


def _spent(row: Agreement) -> str:
    if pd.isna(row.passes_a) or pd.isna(row.passes_b):
        return ""
    return f" Passes a sample: {row.passes_a:.0f} and {row.passes_b:.0f}."


def _attack(row: Agreement) -> str:
    if row.mode == "defaults":
        return f"{shown(row.family, row.source)} {NORM_LABELS[row.norm]}"
    defaults = get_family(row.family).parameters().model_dump(mode="json")
    changed = {name: value for name, value in json.loads(row.parameters).items() if value != defaults.get(name)}
    return " ".join(
        [shown(row.family, row.source), NORM_LABELS[row.norm], *(f"{name}={value}" for name, value in changed.items())]
    )


def _worst(rows: list[Agreement]) -> str:
    if not rows:
        return ""
    count = Counter(row.verdict for row in rows)
    worst = min(count, key=VERDICTS.index)
    share = f" {count[worst]}/{len(rows)}" if count[worst] < len(rows) else ""
    causes = dict.fromkeys(
        cause for row in rows if row.verdict == worst and row.cause for cause in row.cause.split(", ")
    )
    told = f"\n{', '.join(causes)}" if causes and worst in {"invalid", "different"} else ""
    return f"{MARKS[worst]} {worst}{share}{told}"
