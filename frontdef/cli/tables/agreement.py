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
from frontdef.verdicts.agreement import Agreement, agreement

if TYPE_CHECKING:
    from frontdef.runs.results import Results

MARKS = {"identical": "=", "equivalent": "≈", "different": "≠", "inconclusive": "?", "invalid": "!"}
"""One mark a verdict, for the agreement grid."""

_ORDER = ["invalid", "different", "inconclusive", "equivalent", "identical"]

QUESTIONS = {
    "matched": "same parameters: is the code right?",
    "defaults": "each library's own defaults: what does a user get?",
}


def print_agreement(console: Console, results: Results) -> None:
    """Grids of library pairs × attacks, the worst verdict over defenses and radii, and the reasons below."""
    found = agreement(results.outcomes(), results.examples, results.cells())
    if not found:
        console.print("no two libraries ran the same attack: give the matrix more than one library")
        return
    for mode, question in QUESTIONS.items():
        here = [one for one in found if one.mode == mode]
        if here:
            _print_grid(console, here, question)
    console.print("  ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items()))
    for one in found:
        if one.verdict in {"different", "invalid"}:
            console.print(Text(f"{_where(one)}: {one.reason}{_spent(one)}"), soft_wrap=True)


def _print_grid(console: Console, found: list[Agreement], question: str) -> None:
    pairs = list(dict.fromkeys((one.library_a, one.library_b) for one in found))
    title = f"{question} Worst over defenses and radii, with its cause"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("attack")
    for a, b in pairs:
        table.add_column(f"{a}\n{b}")
    for attack in dict.fromkeys(_attack(one) for one in found):
        mine = [one for one in found if _attack(one) == attack]
        table.add_row(
            attack, *(_worst([one for one in mine if (one.library_a, one.library_b) == pair]) for pair in pairs)
        )
    console.print(table)


def _where(one: Agreement) -> str:
    libraries = f"{one.library_a} and {one.library_b}"
    return f"{_attack(one)} ε={format_eps(one.eps)} on {one.dataset} {one.defense}, {libraries}"


def _spent(one: Agreement) -> str:
    if pd.isna(one.passes_a) or pd.isna(one.passes_b):
        return ""
    return f" Passes a sample: {one.passes_a:.0f} and {one.passes_b:.0f}."


def _attack(one: Agreement) -> str:
    if one.mode == "defaults":
        return f"{shown(one.family, one.source)} {NORM_LABELS[one.norm]}"
    defaults = get_family(one.family).parameters().model_dump(mode="json")
    given = {name: value for name, value in json.loads(one.parameters).items() if value != defaults.get(name)}
    return " ".join(
        [shown(one.family, one.source), NORM_LABELS[one.norm], *(f"{name}={value}" for name, value in given.items())]
    )


def _worst(found: list[Agreement]) -> str:
    if not found:
        return ""
    count = Counter(one.verdict for one in found)
    worst = min(count, key=_ORDER.index)
    share = f" {count[worst]}/{len(found)}" if count[worst] < len(found) else ""
    causes = dict.fromkeys(
        cause for one in found if one.verdict == worst and one.cause for cause in one.cause.split(", ")
    )
    told = f"\n{', '.join(causes)}" if causes and worst in {"invalid", "different"} else ""
    return f"{MARKS[worst]} {worst}{share}{told}"
