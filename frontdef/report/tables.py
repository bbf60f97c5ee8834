"""The tables of the report, worked out from its data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from frontdef.report.data import CellRow, ReportData, Score, Setting
from frontdef.report.data import variant as in_words
from frontdef.report.palette import STEPS
from frontdef.verdicts.agreement import Agreement
from frontdef.verdicts.bracket import Bracket
from frontdef.verdicts.measured import Measured

VERDICTS: dict[str, tuple[str, str]] = {
    "identical": ("=", "the same examples"),
    "equivalent": ("≈", "success rates as close as the margin asks"),
    "inconclusive": ("?", "too few samples to tell"),
    "unexplained": ("≉", "other examples where both calls are said to be exact"),
    "different": ("≠", "one falls short on the same samples"),
    "invalid": ("!", "left the threat model"),
}
"""Verdict → mark and meaning, from the best to the worst."""


@dataclass(frozen=True)
class HeatCell:
    """A defense under a family.

    Args:
        family: Its number.
        robust: The share that withstood all libraries; None where none has finished.
        n: Samples that any of them attacked.
        failed: Cells that failed.
        missing: Cells that were asked for and have not run.
        disagree: Whether libraries disagree with the same parameters.
    """

    family: int
    robust: float | None
    n: int
    failed: int
    missing: int
    disagree: bool


@dataclass(frozen=True)
class HeatRow:
    """A defense's row of the heat map."""

    defense: int
    bracket: Bracket
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class GridCell:
    """Verdicts on a pair of libraries under a family, by how often they were given."""

    pair: tuple[int, int]
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class GridRow:
    """A family's row of the agreement grid."""

    family: int
    cells: tuple[GridCell, ...]


@dataclass(frozen=True)
class CurveRow:
    """A defense's accuracy at each ε of a group; None where there is no value."""

    defense: int
    values: tuple[float | None, ...]


def shade(share: float) -> int:
    """Number of the color for a share 0…1."""
    return round(share * (STEPS - 1))


def sorted_brackets(data: ReportData, setting: Setting) -> list[Bracket]:
    """The brackets of a setting, the most robust defense first."""
    rows = [row for row in data.brackets if Setting.of(row) == setting]
    return sorted(rows, key=lambda row: -row.worst_case)


def heat(data: ReportData, setting: Setting) -> list[HeatRow]:
    """The heat map of a setting: defenses in the order of their brackets, the families of its norm."""
    present = families_of(data, setting)
    return [
        HeatRow(
            data.defense_names.index(row.defense),
            row,
            tuple(_heat_cell(data, setting, row.defense, data.family_names[family]) for family in present),
        )
        for row in sorted_brackets(data, setting)
    ]


def families_of(data: ReportData, setting: Setting) -> list[int]:
    """Numbers of the families that were run in a setting."""
    ran = {family for where, _, family in data.judged if where == setting}
    return [i for i, name in enumerate(data.family_names) if name in ran]


def _heat_cell(data: ReportData, setting: Setting, defense: str, family: str) -> HeatCell:
    cells = data.judged.get((setting, defense, family), [])
    scores = [data.score_at[cell.key, setting] for cell in cells if (cell.key, setting) in data.score_at]
    return HeatCell(
        family=data.family_names.index(family),
        robust=_robust(correct_of(data, setting, defense), scores) if scores else None,
        n=int(np.any([score.attacked for score in scores], axis=0).sum()) if scores else 0,
        failed=sum(cell.status == "failed" for cell in cells),
        missing=sum(cell.status == "missing" for cell in cells),
        disagree=(setting, defense, family) in data.disagreeing,
    )


def _robust(correct: np.ndarray, scores: Sequence[Score]) -> float:
    """Share of the attacked samples that are right without attack and withstood the attack of each of the scores."""
    lost, attacked = (np.any([getattr(score, name) for score in scores], axis=0) for name in ("success", "attacked"))
    return float((correct & ~lost)[attacked].mean())


def correct_of(data: ReportData, setting: Setting, defense: str) -> np.ndarray:
    """Which samples a defended model classifies correctly without attack, bool ``(N,)``."""
    where = (*setting.model, defense)
    return next(row.correct for row in data.clean if (row.dataset, row.classifier, row.defense) == where)


MODES = {
    "matched": "With the same parameters: is the code right?",
    "defaults": "With each library's own defaults: what does a user get who just calls it?",
}
"""How two libraries are compared, and what that answers."""


def pairs_of(data: ReportData, setting: Setting, mode: str) -> list[tuple[int, int]]:
    """Pairs of libraries that were compared in a setting and a mode, as numbers."""
    compared = {_pair(data, row) for row in data.compared.get((setting, mode), ())}
    return [pair for pair in combinations(range(len(data.library_names)), 2) if pair in compared]


def _pair(data: ReportData, row: Agreement) -> tuple[int, int]:
    first, second = sorted((data.library_names.index(row.library_a), data.library_names.index(row.library_b)))
    return first, second


def grid(data: ReportData, setting: Setting, mode: str) -> list[GridRow]:
    """Families against pairs of libraries, with the number of defenses that got each verdict."""
    counts: dict[tuple[str, tuple[int, int]], Counter[str]] = {}
    for row in data.compared.get((setting, mode), ()):
        counts.setdefault((row.family, _pair(data, row)), Counter())[row.verdict] += 1
    compared = [i for i in families_of(data, setting) if any(family == data.family_names[i] for family, _ in counts)]
    return [
        GridRow(
            family,
            tuple(
                GridCell(pair, _by_severity(counts.get((data.family_names[family], pair), Counter())))
                for pair in pairs_of(data, setting, mode)
            ),
        )
        for family in compared
    ]


def _by_severity(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple((verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict])


def variant(data: ReportData, row: Agreement) -> str:
    """What tells a comparison from others of the same attack; empty where there are none."""
    several = len(data.variants[Setting.of(row), row.defense, row.family]) > 1
    return in_words(row.surrogate, row.parameters) if several else ""


def groups(data: ReportData) -> list[list[int]]:
    """Numbers of the settings that differ in ε only, ascending."""
    by_group: dict[tuple[str, str, str], list[int]] = {}
    for i, setting in enumerate(data.settings):
        by_group.setdefault(setting.group, []).append(i)
    return list(by_group.values())


def curves(data: ReportData, group: Sequence[int]) -> list[CurveRow]:
    """Accuracy of each defense: clean, then the worst case at each ε of a group."""
    rows = {(row.defense, Setting.of(row)): row for row in data.brackets}
    curve_rows = []
    for number, defense in enumerate(data.defense_names):
        here = [rows.get((defense, data.settings[i])) for i in group]
        clean = next((row.clean for row in here if row), None)
        if clean is not None:
            curve_rows.append(CurveRow(number, (clean, *(row.worst_case if row else None for row in here))))
    return curve_rows


def settings_of(data: ReportData, cell: CellRow) -> list[int]:
    """Numbers of the settings that a cell was made for."""
    return [data.number_of[setting] for setting in data.settings_for(cell)]


def accuracies(data: ReportData, cell: CellRow) -> list[tuple[Setting, float]]:
    """Robust accuracy of one cell alone in each setting that it was made for."""
    return [
        (setting, _robust(correct_of(data, setting, cell.defense), [data.score_at[cell.key, setting]]))
        for setting in data.settings_for(cell)
        if (cell.key, setting) in data.score_at
    ]


def samples_of(data: ReportData, setting: Setting) -> int:
    """How many samples the worst cases of a setting are taken over."""
    return max(row.n for row in data.brackets if Setting.of(row) == setting)


def default_setting(data: ReportData) -> int:
    """The setting that the page opens with: of the first model, the norm with most cells, and its middle ε."""
    norms = Counter(cell.norm for cell in data.cells if (cell.dataset, cell.classifier) == data.settings[0].model)
    of_first = [group for group in groups(data) if data.settings[group[0]].model == data.settings[0].model]
    chosen = max(of_first, key=lambda group: norms[data.settings[group[0]].norm])
    return chosen[len(chosen) // 2]


@dataclass(frozen=True)
class MeasureTable:
    """What one metric found: a column a quantity, a row a defense."""

    metric: str
    parameters: str
    quantities: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Measured | None, ...]], ...]


def measures(data: ReportData) -> list[tuple[tuple[str, str], list[MeasureTable]]]:
    """Data set and classifier → a table a metric, in the order of the run."""
    by_model: dict[tuple[str, str], dict[tuple[str, str], list[Measured]]] = {}
    for row in data.measured:
        here = by_model.setdefault((row.dataset, row.classifier), {})
        here.setdefault((row.metric, row.parameters), []).append(row)
    return [
        (model, [_measure_table(metric, parameters, rows) for (metric, parameters), rows in here.items()])
        for model, here in by_model.items()
    ]


def _measure_table(metric: str, parameters: str, rows: Sequence[Measured]) -> MeasureTable:
    quantities = tuple(dict.fromkeys((row.quantity, row.unit) for row in rows))
    at = {(row.defense, row.quantity): row for row in rows}
    described = ", ".join(f"{name}={value}" for name, value in json.loads(parameters).items())
    defenses = dict.fromkeys(row.defense for row in rows)
    table = tuple((name, tuple(at.get((name, quantity)) for quantity, _ in quantities)) for name in defenses)
    return MeasureTable(metric, described, quantities, table)
