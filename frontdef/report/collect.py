"""From a run to what the report shows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from frontdef.attacks.spec import family_of
from frontdef.errors import UnknownNameError
from frontdef.registry import get_family
from frontdef.report.data import (
    About,
    AgreementRow,
    BracketRow,
    CellRow,
    CheckRow,
    CleanRow,
    FamilyNote,
    Figure,
    MaskingRow,
    MeasureRow,
    Picture,
    ReportData,
    Score,
    Setting,
)
from frontdef.report.gallery import choose
from frontdef.threat import NORM_LABELS, TOLERANCE, format_eps
from frontdef.verdicts.agreement import agreement
from frontdef.verdicts.bracket import brackets
from frontdef.verdicts.measured import measured

if TYPE_CHECKING:
    from frontdef.matrix.results import Results

MODEL = ["dataset", "classifier", "defense"]

Row = TypeVar("Row", BracketRow, AgreementRow, MeasureRow)


def collect(results: Results) -> ReportData:
    """Gather what the report shows.

    Args:
        results: The run, finished or not; cells that failed or were not run are shown as such.

    Raises:
        StoreError: Records or examples can't be read.
    """
    cells = tuple(_cell(row) for row in results.cells().to_dict("records"))
    bare = ReportData(_about(results), cells, families=tuple(_families(cells)))
    if not any(cell.status == "ok" for cell in cells):
        return bare
    outcomes, records = results.outcomes(), results.records()
    recorded = {str(key): rows.reset_index(drop=True) for key, rows in records.groupby("cell", sort=False)}
    data = ReportData(
        about=bare.about,
        cells=tuple(_with_invalid(cell, recorded) for cell in cells),
        clean=tuple(_clean(outcomes)),
        brackets=tuple(_rows(BracketRow, brackets(outcomes, results.certified()))),
        agreements=tuple(
            _rows(AgreementRow, agreement(outcomes, lru_cache(maxsize=16)(results.examples), results.cells()))
        ),
        maskings=tuple(_maskings(results)),
        measures=tuple(_rows(MeasureRow, measured(results.metrics()))),
        families=bare.families,
        figures=tuple(_figures(results, cells)),
    )
    ids = _sample_ids(data, recorded)
    data = replace(data, scores=tuple(_scores(data, recorded, ids)))
    return replace(data, pictures=tuple(_pictures(results, data, recorded, ids)))


def _about(results: Results) -> About:
    about = results.about
    matrix = about.get("matrix", {})
    return About(
        name=str(matrix.get("name", results.path.name)),
        matrix=json.dumps(matrix, indent=2, ensure_ascii=False),
        command=str(about.get("command", "frontdef run")),
        device=str(about.get("device", "")),
        seed=int(matrix.get("seed", 0)),
        started=str(about.get("started", "")),
        versions={"frontdef": str(about.get("frontdef", "")), **about.get("versions", {})},
        skipped=tuple(about.get("skipped", ())),
    )


def _maskings(results: Results) -> Iterator[MaskingRow]:
    for found in results.diagnoses():
        yield MaskingRow(
            defense=found["defense"],
            verdict=found["verdict"],
            reasons=tuple(found["reasons"]),
            dataset=found["dataset"],
            classifier=found["classifier"],
            where=f"{NORM_LABELS[found['norm']]} ε = {format_eps(found['eps'])}",
            note=_note(found),
            checks=tuple(_check(finding) for finding in found["findings"]),
        )


def _note(found: Mapping[str, Any]) -> str:
    if found["n_survived"] is None:
        return ""
    through = f" through the gradient “{found['surrogate']}”" if found.get("surrogate") else ""
    return f"{found['n_attacked']} samples attacked{through}, {found['n_survived']} not broken."


def _check(finding: Mapping[str, Any]) -> CheckRow:
    shared = {f.name: finding[f.name] for f in fields(CheckRow) if f.name in finding}
    return CheckRow(**shared, forwards=finding["cost"]["forward"], backwards=finding["cost"]["backward"])


def _families(cells: Iterable[CellRow]) -> Iterator[FamilyNote]:
    for name in dict.fromkeys(cell.family for cell in cells):
        try:
            family = get_family(family_of(name))
        except UnknownNameError:  # a run may be read where the plugin that brought the family is not installed
            continue
        yield FamilyNote(name, family.title, family.agreement)


def _cell(row: dict[Any, Any]) -> CellRow:
    known = {name: _plain(row[name]) for name in (f.name for f in fields(CellRow)) if name in row}
    given = {name: value for name, value in known.items() if value is not None}
    return CellRow(key=str(row["cell"]), **{"eps": None, **given})


def _plain(value: Any) -> Any:
    """A value of a data frame as Python has it: what is missing is None."""
    if isinstance(value, list | np.ndarray):
        return tuple(value)
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_invalid(cell: CellRow, recorded: Mapping[str, pd.DataFrame]) -> CellRow:
    return replace(cell, invalid=int((~recorded[cell.key]["valid"]).sum())) if cell.key in recorded else cell


def _clean(outcomes: pd.DataFrame) -> Iterator[CleanRow]:
    for (dataset, classifier, defense), group in outcomes.groupby(MODEL, sort=False):
        correct = group.groupby("sample_id")["clean_correct"].first()
        yield CleanRow(str(dataset), str(classifier), str(defense), correct.to_numpy(dtype=bool))


def _rows(kind: type[Row], found: Iterable[Any]) -> Iterator[Row]:
    """Verdicts as rows: the same fields, NaN as None."""
    for verdict in found:
        yield kind(**{f.name: _plain(getattr(verdict, f.name)) for f in fields(kind)})


def _sample_ids(data: ReportData, recorded: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str, str], np.ndarray]:
    """Defended model → the ids of its samples, ascending; a cell may have been run on some of them only."""
    found: dict[tuple[str, str, str], np.ndarray] = {}
    for cell in data.cells:
        if cell.key in recorded:
            model, ids = (cell.dataset, cell.classifier, cell.defense), recorded[cell.key]["sample_id"].to_numpy()
            found[model] = np.union1d(found.get(model, ids), ids)
    return found


def _scores(
    data: ReportData, recorded: Mapping[str, pd.DataFrame], ids: Mapping[tuple[str, str, str], np.ndarray]
) -> Iterator[Score]:
    for cell in data.cells:
        if cell.key not in recorded:
            continue
        rows = {name: column.to_numpy() for name, column in recorded[cell.key].sort_values("sample_id").items()}
        attacked = np.isin(ids[cell.dataset, cell.classifier, cell.defense], rows["sample_id"])
        misled = (
            rows["clean_correct"] & (rows["adversarial_prediction"] != rows["label"]) & rows["in_box"] & rows["finite"]
        )
        for setting in data.settings:
            if setting.model == (cell.dataset, cell.classifier):
                distances = rows[setting.norm] if setting.norm in rows else _unmeasured(cell, setting, len(misled))
                fallen = misled & (distances <= setting.eps + TOLERANCE)
                if fallen.any() or cell.judged_at(setting):
                    typical = float(np.median(distances[fallen])) if fallen.any() and setting.norm in rows else None
                    broken = np.zeros(len(attacked), dtype=bool)
                    broken[attacked] = fallen
                    yield Score(cell.key, setting, broken, attacked, typical)


def _unmeasured(cell: CellRow, setting: Setting, n: int) -> np.ndarray:
    """Distances in a norm that cannot be measured: an attack made for it is within it, any other is not."""
    return np.full(n, 0.0 if cell.norm == setting.norm else np.inf)


def _figures(results: Results, cells: Iterable[CellRow]) -> Iterator[Figure]:
    for names in dict.fromkeys((cell.dataset, cell.classifier, cell.defense) for cell in cells):
        for title, images in results.figures(*names).items():
            yield Figure(*names, title=title, images=images)


def _pictures(
    results: Results,
    data: ReportData,
    recorded: Mapping[str, pd.DataFrame],
    ids: Mapping[tuple[str, str, str], np.ndarray],
) -> Iterator[Picture]:
    images = {name: results.clean(name) for name in {setting.dataset for setting in data.settings}}
    read = lru_cache(maxsize=16)(lambda key: results.store.read_tensors("examples", key))
    for choice in choose(data, max(batch[0].size for batch in images.values())):
        # Scores are in the order of sample ids, examples in that of the records.
        cell, tensors = data.cell_by_key[choice.cell], read(choice.cell)
        rows = recorded[choice.cell]
        wanted = ids[cell.dataset, cell.classifier, cell.defense][choice.index]
        at = int(np.flatnonzero(rows["sample_id"].to_numpy() == wanted)[0])
        row = rows.iloc[at]
        clean = images[cell.dataset][at]
        seen = tensors["seen"][at].numpy() if "seen" in tensors else None
        yield Picture(
            setting=choice.setting,
            defense=cell.defense,
            family=cell.family,
            library=cell.library,
            sample_id=int(row["sample_id"]),
            label=int(row["label"]),
            clean_prediction=int(row["clean_prediction"]),
            adversarial_prediction=int(row["adversarial_prediction"]),
            distance=float(row.get(choice.setting.norm, float("nan"))),
            clean=clean,
            attacked=tensors["x_adv"][at].numpy(),
            seen=seen if seen is not None and seen.shape == clean.shape else None,
        )
