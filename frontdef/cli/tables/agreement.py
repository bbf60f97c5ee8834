"""Do the libraries agree: a grid of attacks and pairs of libraries, and what needs a look."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from frontdef.attacks.spec import shown
from frontdef.cli.sheets import Sheet, SheetCell, SheetColumn, to_terminal, words
from frontdef.counts import plural
from frontdef.registry import get_family
from frontdef.threat import NORM_LABELS, format_eps
from frontdef.verdicts.agreement import VERDICTS, Agreement
from frontdef.verdicts.causes import Disagreement, causes

if TYPE_CHECKING:
    from frontdef.matrix.results import MatrixResults

MARKS = {"identical": "=", "equivalent": "≈", "inconclusive": "?", "unexplained": "≉", "different": "≠", "invalid": "!"}
"""One mark a verdict, for the agreement grid."""

QUESTIONS = {
    "matched": "same parameters: is the code right?",
    "defaults": "each library's own defaults: what does a user get?",
}


MODES = {"matched": "same parameters", "defaults": "own defaults"}
"""Mode of a comparison → how it is named beside a cause."""


def print_agreement(console: Console, results: MatrixResults) -> None:
    """Grids of library pairs × attacks, the worst verdict over defenses and radii, and the causes below, each once."""
    rows = results.agreement()
    if not rows:
        console.print("no two libraries ran the same attack: give the matrix more than one library")
        return
    for mode, question in QUESTIONS.items():
        here = [row for row in rows if row.mode == mode]
        if here:
            to_terminal(console, _grid(here, question))
    console.print("  ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items()))
    for cause in causes(rows):
        for place, line in enumerate(_told(cause)):
            console.print(Padding(Text(line), (0, 0, 0, 2 if place else 0), expand=False))


def agreement_sheets(results: MatrixResults) -> list[Sheet]:
    """Every pair of libraries that ran the same attack, a row each."""
    columns = [SheetColumn(name, name) for name in ("dataset", "classifier", "defense", "attack", "parameters")]
    columns += [
        SheetColumn("norm", "norm", told=False),
        SheetColumn("ε", "eps", numbers=True),
        SheetColumn("A", "library_a"),
        SheetColumn("B", "library_b"),
    ]
    columns += [SheetColumn(name.replace("_", " "), name, numbers=True) for name in FIGURES]
    columns += [SheetColumn(name, name) for name in ("mode", "verdict", "weaker", "cause")]
    rows = [
        [
            *map(words, (row.dataset, row.classifier, row.defense)),
            SheetCell(f"{shown(row.family, row.source)} {NORM_LABELS[row.norm]}", shown(row.family, row.source)),
            words(row.parameters),
            words(row.norm),
            SheetCell(format_eps(row.eps), row.eps),
            *map(words, (row.library_a, row.library_b)),
            *(SheetCell(f"{getattr(row, name):.3g}", getattr(row, name)) for name in FIGURES),
            *map(words, (row.mode, row.verdict, row.weaker, row.cause)),
        ]
        for row in results.agreement()
    ]
    return [Sheet("do the libraries agree?", columns, rows, keys=4)]


FIGURES = ("n", "success_a", "success_b", "only_a", "only_b", "p_value", "p_holm", "low", "high", "same_share")
"""Numbers of an `Agreement` that its row holds."""


def _grid(rows: list[Agreement], question: str) -> Sheet:
    pairs = list(dict.fromkeys((row.library_a, row.library_b) for row in rows))
    lines = []
    for attack in dict.fromkeys(_attack(row) for row in rows):
        mine = [row for row in rows if _attack(row) == attack]
        worst = (_worst([row for row in mine if (row.library_a, row.library_b) == pair]) for pair in pairs)
        lines.append([words(attack), *map(words, worst)])
    columns = [SheetColumn("attack", "attack"), *(SheetColumn(f"{a} / {b}", f"{a} {b}") for a, b in pairs)]
    return Sheet(f"{question} Worst over defenses and radii, with its cause", columns, lines)


def _told(cause: Disagreement) -> list[str]:
    """What came of it, how often, where, and one comparison in full."""
    row = cause.rows[0]
    often = plural(len(cause.rows), "comparison")
    head = ", ".join(filter(None, (cause.verdict, cause.name)))
    one = f"{_attack(row)} ε={format_eps(row.eps)} on {row.dataset} {row.defense}, {row.library_a} and {row.library_b}"
    return [
        f"{MARKS[cause.verdict]} {head}: {often} ({MODES[cause.mode]})",
        f"{cause.where} · {', '.join(cause.defenses)}",
        f"{'' if len(cause.rows) == 1 else 'for one: '}{one}: {row.reason}{_spent(row)}",
    ]


def _spent(row: Agreement) -> str:
    if math.isnan(row.passes_a) or math.isnan(row.passes_b):
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
