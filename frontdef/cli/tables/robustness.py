"""How robust is each defense: brackets, and its robust accuracy under each attack."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from frontdef.attacks.spec import shown
from frontdef.cli.sheets import Sheet, SheetCell, SheetColumn, to_terminal, words
from frontdef.counts import plural
from frontdef.threat import NORM_LABELS, format_eps
from frontdef.verdicts.attacked import GROUP, Models, attacks_in, unbroken
from frontdef.verdicts.belief import MARKS, Belief
from frontdef.verdicts.bracket import Bracket

if TYPE_CHECKING:
    from frontdef.matrix.results import MatrixResults


def print_results(console: Console, results: MatrixResults) -> bool:
    """Brackets first, then robust accuracy by defense and attack, worst over libraries; in percent.

    Returns:
        Whether every certified sample stood.
    """
    if not results.attacked and results.jobs_of("records"):
        console.print(f"no cell has finished: `{results.head.command}` goes on with it")
    all_brackets, believed = results.brackets(), _believed(results)
    for norm in dict.fromkeys(bracket.norm for bracket in all_brackets):
        of_norm = [bracket for bracket in all_brackets if bracket.norm == norm]
        to_terminal(console, _norm_sheet(of_norm, results, believed))
        print_doubts(console, [believed[_where(bracket)] for bracket in _sorted(of_norm)])
    if (how := _training(results.attacked)) and all_brackets:
        console.print(Text(how))
    for bracket in all_brackets:
        if bracket.violations:
            console.print(
                f"ERROR: {plural(len(bracket.violations), 'sample')} that {bracket.defense} certifies at "
                f"{NORM_LABELS[bracket.norm]} ε={format_eps(bracket.eps)} were broken: {bracket.violations[:5]}",
                style="bold red",
            )
    return not any(bracket.violations for bracket in all_brackets)


def _training(models: Models) -> str:
    """Which rows are models that somebody else trained, as they are or fine-tuned; empty where there is none."""
    trained: dict[str, dict[str, None]] = {}
    for (_, classifier, defense), attacked in models.items():
        for training in dict.fromkeys(attacked.cells["training"]):
            if training not in {None, "trained here"}:
                trained.setdefault(training, {})[f"{classifier} {defense}"] = None
    return "; ".join(f"{training}: {', '.join(rows)}" for training, rows in trained.items())


def print_doubts(console: Console, believed: Sequence[Belief]) -> None:
    """The marks that stand beside the worst cases, and the first reason of every doubt."""
    if not believed:
        return
    present = {belief.verdict for belief in believed}
    marks = " · ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items() if mark and verdict in present)
    if marks:
        console.print(Text(f"{marks}: may the attacks be believed?"))
    several = len({(belief.dataset, belief.classifier) for belief in believed}) > 1
    for belief in believed:
        if belief.doubtful:
            row = " ".join(_row(belief) if several else (belief.defense,))
            said = f"{MARKS[belief.verdict]} {row} ε = {format_eps(belief.eps)}: {belief.reasons[0]}"
            console.print(Text(said))
    console.print()


def _where(verdict: Bracket | Belief) -> tuple[str, str, str, str, float]:
    return *_row(verdict), verdict.norm, verdict.eps


def sheets(results: MatrixResults) -> list[Sheet]:
    """A table a norm: a row a defense and radius, a column an attack."""
    found, believed = results.brackets(), _believed(results)
    return [
        _norm_sheet([bracket for bracket in found if bracket.norm == norm], results, believed)
        for norm in dict.fromkeys(bracket.norm for bracket in found)
    ]


def worst_sheet(results: MatrixResults) -> Sheet:
    """The headline: robust accuracy of each defense in each threat model, with its 95 % interval."""
    found, believed = results.brackets(), _believed(results)
    several = len({(bracket.dataset, bracket.classifier) for bracket in found}) > 1
    columns = [
        SheetColumn("defense", "defense"),
        *((SheetColumn("data", "dataset"), SheetColumn("classifier", "classifier")) if several else ()),
        SheetColumn("norm", "norm"),
        SheetColumn("ε", "eps", numbers=True),
        *(SheetColumn(name, name, numbers=True) for name in ("n", "clean", "certified", "robust", "low", "high")),
        SheetColumn("strongest attack", "strongest"),
        SheetColumn("belief", "belief"),
    ]
    norms = list(dict.fromkeys(bracket.norm for bracket in found))
    rows = [
        [
            words(bracket.defense),
            *((words(bracket.dataset), words(bracket.classifier)) if several else ()),
            SheetCell(NORM_LABELS[bracket.norm], bracket.norm),
            SheetCell(format_eps(bracket.eps), bracket.eps),
            SheetCell(str(bracket.n), bracket.n),
            _share(bracket.clean),
            _share(bracket.certified),
            SheetCell(_percent(bracket.worst_case), bracket.worst_case, bold=True),
            _share(bracket.low),
            _share(bracket.high),
            _strongest(bracket),
            words(believed[_where(bracket)].verdict),
        ]
        for norm in norms
        for bracket in _sorted([bracket for bracket in found if bracket.norm == norm])
    ]
    title = "robust accuracy in %: the worst case over all attacks and libraries, per sample, and its 95 % interval"
    return Sheet(title, columns, rows, keys=(3 if several else 1) + 2)


def _believed(results: MatrixResults) -> dict[tuple[str, str, str, str, float], Belief]:
    return {_where(belief): belief for belief in results.beliefs()}


def _norm_sheet(
    of_norm: list[Bracket], results: MatrixResults, believed: Mapping[tuple[str, str, str, str, float], Belief]
) -> Sheet:
    norm, models = of_norm[0].norm, results.attacked
    pending = {mark: _without(results, norm, status) for status, (mark, _) in UNDONE.items()}
    attacks = attacks_in(models, norm)
    several = len({(bracket.dataset, bracket.classifier) for bracket in of_norm}) > 1
    proved = any(not math.isnan(bracket.certified) for bracket in of_norm)
    columns = [
        SheetColumn("defense", "defense"),
        *((SheetColumn("data", "dataset"), SheetColumn("classifier", "classifier")) if several else ()),
        SheetColumn("norm", "norm", told=False),
        SheetColumn("ε", "eps", numbers=True),
        SheetColumn("clean", "clean", numbers=True),
        *((SheetColumn("proved", "certified", numbers=True),) if proved else ()),
        SheetColumn("worst (95 %)", "robust", numbers=True),
        *(SheetColumn(name, name, told=False) for name in ("low", "high", "belief")),
        *(SheetColumn(name, name, numbers=True) for name in attacks),
    ]
    rows = []
    for bracket in _sorted(of_norm):
        left = unbroken(models[_row(bracket)], norm, bracket.eps)
        verdict = believed[_where(bracket)].verdict
        interval = f"{_percent(bracket.worst_case)} ({100 * bracket.low:.0f}–{100 * bracket.high:.0f})"
        rows.append(
            [
                words(bracket.defense),
                *((words(bracket.dataset), words(bracket.classifier)) if several else ()),
                words(norm),
                SheetCell(format_eps(bracket.eps), bracket.eps),
                _share(bracket.clean),
                *((_share(bracket.certified),) if proved else ()),
                SheetCell(f"{interval} {MARKS[verdict]:1}", bracket.worst_case, bold=True),
                *(_share(bracket.low), _share(bracket.high), words(verdict)),
                *(
                    _share(left[name]) if name in left else SheetCell(_undone(pending, bracket, name), None)
                    for name in attacks
                ),
            ]
        )
    title = f"{NORM_LABELS[norm]}: robust accuracy in %, per sample the worst over libraries"
    marks = {cell.text for row in rows for cell in row}
    title += "".join(f"; {mark} {said}" for mark, said in UNDONE.values() if mark in marks)
    return Sheet(title, columns, rows, keys=5 if several else 3)


UNDONE = {"failed": ("✕", "failed"), "missing": ("◌", "not run yet")}
"""Status of a cell → what stands in its place, as in the report, and in words; nothing where no library offers it."""


def _without(results: MatrixResults, norm: str, status: str) -> set[tuple[Any, ...]]:
    """Model, attack and ε of the cells that have ended so; a minimum-norm attack is judged at every radius."""
    return {
        (*(about[name] for name in GROUP), shown(about["family"], about.get("source") or ""), eps)
        for job in results.jobs_of("records")
        if job.status == status and (about := job.entry.about)["norm"] == norm
        for eps in ([about["eps"]] if about.get("eps") is not None else results.head.radii.get(norm, ()))
    }


def _undone(pending: Mapping[str, set[tuple[Any, ...]]], bracket: Bracket, attack: str) -> str:
    at = (*_row(bracket), attack, bracket.eps)
    return next((mark for mark, cells in pending.items() if at in cells), "")


def _sorted(of_norm: list[Bracket]) -> list[Bracket]:
    """Best defense first, by its mean worst case over the radii; within a defense by radius."""
    mean = {
        name: sum(bracket.worst_case for bracket in group) / len(group)
        for name in {_row(bracket) for bracket in of_norm}
        if (group := [bracket for bracket in of_norm if _row(bracket) == name])
    }
    return sorted(of_norm, key=lambda bracket: (-mean[_row(bracket)], _row(bracket), bracket.eps))


def _row(verdict: Bracket | Belief) -> tuple[str, str, str]:
    return verdict.dataset, verdict.classifier, verdict.defense


def _strongest(bracket: Bracket) -> SheetCell:
    """The strongest attack, its norm as people read it and as programs do."""
    return SheetCell(bracket.strongest.label, str(bracket.strongest)) if bracket.strongest else words("")


def _share(share: float) -> SheetCell:
    return SheetCell(_percent(share), share)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}"
