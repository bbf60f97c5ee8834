"""``frontdef compare``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import get_args

import click
from rich.text import Text

from frontdef.cli.arguments import PATH
from frontdef.cli.console import PlainConsole
from frontdef.cli.sheets import FORMATS, WRITERS, Sheet, SheetCell, SheetColumn, to_terminal, words
from frontdef.cli.webpage import to_html
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.matrix.results import MatrixResults
from frontdef.runs.results import load_results, require_kind
from frontdef.threat import NORM_LABELS, format_eps
from frontdef.verdicts.attacked import Model
from frontdef.verdicts.compare import MARGIN, Change, Verdict, compare, unmatched

SHOWN = 12
"""Lines of what only one side has."""


@click.command("compare")
@click.argument("a", metavar="A", type=PATH)
@click.argument("b", metavar="[B]", required=False, type=PATH)
@click.option("--rows", nargs=2, metavar="X Y", help="Row X of A beside row Y of B, or of A, where there is no B.")
@click.option("--only-changed", is_flag=True, help="Leave out what is not shown to differ.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="To write.")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
def compare_runs(a: Path, b: Path | None, rows: tuple[str, str] | None, only_changed: bool, form: str) -> None:
    """Say what changed from run A to run B, sample by sample: exact McNemar tests, corrected (Holm) for all of them.

    For every defense: clean accuracy, and in every threat model the worst case and what each attack leaves. Ends with 1
    where B is shown to be worse anywhere, with 0 otherwise.
    """
    if b is None and rows is None:
        raise ConfigError("give two runs, or --rows X Y: two rows of one")
    runs = _opened(a), _opened(a if b is None else b)
    pairs = _pairs(*runs, rows)
    changes = compare(runs[0].side, runs[1].side, pairs)
    shown = [change for change in changes if change.changed or not only_changed]
    console = PlainConsole()
    notes = _notes(*runs, pairs)
    if form == "html":
        told = [*_sides(*runs, rows), *notes, _summary(changes), NEEDED]
        click.echo(to_html([_sheet(shown, told=rows is not None)], told, "What changed from A to B"), nl=False)
    elif form != "table":
        click.echo(WRITERS[form]([_sheet(shown)]), nl=False)
    else:
        for line in notes:
            console.print(Text(line))
        if shown:
            to_terminal(console, _sheet(shown))
        console.print(Text(_summary(changes)))
    if any(change.verdict == "worse" for change in changes):
        sys.exit(1)


def _opened(path: Path) -> MatrixResults:
    return require_kind(load_results(path), MatrixResults, ": two matrices are compared")


def _sides(a: MatrixResults, b: MatrixResults, rows: tuple[str, str] | None) -> list[str]:
    """What A is, and what B is."""
    started = [run.head.started[:16].replace("T", " ") for run in (a, b)]
    names = [f"{run.path.name} ({when})" if when else run.path.name for run, when in zip((a, b), started, strict=True)]
    told = [f"row {row} of {name}" for row, name in zip(rows, names, strict=True)] if rows else names
    return [f"{side}: {what}" for side, what in zip("AB", told, strict=True)]


def _pairs(a: MatrixResults, b: MatrixResults, rows: tuple[str, str] | None) -> list[tuple[Model, Model]]:
    """Rows that are compared.

    Raises:
        UnknownNameError: A run has no such row.
        ConfigError: Two runs without a row in common.
    """
    if rows is None:
        pairs = [(model, model) for model in a.attacked if model in b.attacked]
    else:
        for run, title in zip((a, b), rows, strict=True):
            titles = [defense for *_, defense in run.attacked]
            if title not in titles:
                raise UnknownNameError("row", title, titles, f"{run.path} has these.")
        pairs = [
            (own, (*own[:2], rows[1])) for own in a.attacked if own[2] == rows[0] and (*own[:2], rows[1]) in b.attacked
        ]
    if not pairs:
        raise ConfigError(
            f"{a.path} and {b.path} have no finished row in common: A has {_titles(a)}, B has {_titles(b)}. "
            "--rows X Y compares rows of different names"
        )
    return pairs


def _titles(run: MatrixResults) -> str:
    return ", ".join(" ".join(model) for model in run.attacked) or "none"


def _notes(a: MatrixResults, b: MatrixResults, pairs: list[tuple[Model, Model]]) -> list[str]:
    """What differs beside the numbers, and what is compared with nothing."""
    notes = []
    if a.path != b.path:
        for what in ("versions", "codes"):
            ours, theirs = getattr(a.head, what), getattr(b.head, what)
            names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
            told = [f"{name} {ours.get(name, 'none')} → {theirs.get(name, 'none')}" for name in names]
            notes += [f"other {what}: {', '.join(told)}"] if told else []
        for dataset in dict.fromkeys(model[0] for model, _ in pairs):
            if a.head.samples.get(dataset) != b.head.samples.get(dataset):
                notes.append(f"other samples of {dataset}: compared are those that both have, by their ids")
        for side, own, other in (("A", a, b), ("B", b, a)):
            alone = [" ".join(model) for model in own.attacked if model not in other.attacked]
            notes += [f"only {side} has {', '.join(alone)}"] if alone else []
    lines = unmatched(a.attacked, b.attacked, pairs)
    more = [f"… and {len(lines) - SHOWN} more that only one has"] if len(lines) > SHOWN else []
    return [*notes, *lines[:SHOWN], *more]


def _sheet(changes: list[Change], told: bool = False) -> Sheet:
    """The numbers; without the names of the two rows where these are told beside it."""
    several = len({(change.dataset, change.classifier) for change in changes}) > 1
    renamed = any(change.row_a != change.row_b for change in changes)
    named = (
        ()
        if told
        else (SheetColumn("A", "row_a"), SheetColumn("B", "row_b"))
        if renamed
        else (SheetColumn("defense", "row_a"),)
    )
    columns = [
        *((SheetColumn("data", "dataset"), SheetColumn("classifier", "classifier")) if several else ()),
        *named,
        SheetColumn("norm", "norm", told=False),
        SheetColumn("ε", "eps"),
        SheetColumn("attack", "attack"),
        SheetColumn("verdict", "verdict"),
        *(SheetColumn(title, name, numbers=True) for title, name in NUMBERS.items()),
    ]
    rows = [
        [
            *((words(change.dataset), words(change.classifier)) if several else ()),
            *(words(row) for row in (change.row_a, change.row_b)[: len(named)]),
            SheetCell(change.norm, change.norm or None),
            SheetCell(f"{NORM_LABELS[change.norm]} {format_eps(change.eps)}" if change.norm else "–", change.eps),
            words(change.attack),
            SheetCell(change.verdict, change.verdict, bold=change.changed),
            SheetCell(str(change.n), change.n),
            *(SheetCell(f"{100 * share:.1f}", share) for share in (change.share_a, change.share_b)),
            *(SheetCell(f"{100 * end:+.1f}", end) for end in (change.low, change.high)),
            SheetCell(f"{change.p_value:.2g}", change.p_value),
            SheetCell(f"{change.p_holm:.2g}", change.p_holm),
            SheetCell("" if change.needed is None else f"{change.needed:,}", change.needed),
        ]
        for change in changes
    ]
    keys = 2 * several + len(named) + 3
    return Sheet("accuracy in %, and the 95 % interval of B − A in points", columns, rows, keys=keys)


NUMBERS = {
    "n": "n", "A %": "share_a", "B %": "share_b", "from": "low", "to": "high", "p": "p_value", "p (Holm)": "p_holm",
    f"n for ±{MARGIN:.0%}": "needed",
}  # fmt: skip
"""Title → field of `Change`."""


NEEDED = f"n for ±{MARGIN:.0%}: so many samples would narrow the interval to that, if the same share ended differently"


def _summary(changes: list[Change]) -> str:
    count = Counter(change.verdict for change in changes)
    told = ", ".join(f"{count[verdict]} {verdict}" for verdict in get_args(Verdict) if count[verdict])
    return f"{len(changes)} numbers: {told} (of B; p is corrected for all of them; same: within ±{MARGIN:.0%})"
