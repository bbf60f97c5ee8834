"""From a run to what the report shows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from frontdef.attacks.spec import family_of, shown
from frontdef.checks.masking.record import read_diagnosis
from frontdef.errors import UnknownNameError
from frontdef.registry import get_family
from frontdef.report.data import (
    About,
    AttackedPicture,
    CellRow,
    CleanRow,
    Diagnosed,
    DiagnosedAttack,
    FamilyNote,
    Figure,
    ReportData,
    Score,
)
from frontdef.report.gallery import choose
from frontdef.runs.columns import arrays
from frontdef.threat import MEASURED, TOLERANCE
from frontdef.verdicts.agreement import Agreement, agreement
from frontdef.verdicts.attacked import Models, medians
from frontdef.verdicts.measured import measured

if TYPE_CHECKING:
    from frontdef.matrix.results import MatrixResults

MODEL = ["dataset", "classifier", "defense"]

RECORDED = ("sample_id", "label", "clean_prediction", "adversarial_prediction", *MEASURED)
"""Columns that a picture is told with."""


def collect(results: MatrixResults) -> ReportData:
    """Gather what the report shows.

    Args:
        results: The run, finished or not; cells that failed or were not run are shown as such.

    Raises:
        StoreError: Records or examples can't be read.
    """
    told = results.cells()
    cells = tuple(map(_cell, told.to_dict("records")))
    bare = ReportData(_about(results), cells, families=tuple(_families(cells)))
    if not any(cell.status == "ok" for cell in cells):
        return bare
    models = results.sort_out()
    data = ReportData(
        about=bare.about,
        cells=tuple(_with_invalid(cells, models)),
        clean=tuple(CleanRow(*model, attacked.correct) for model, attacked in models.items()),
        brackets=tuple(results.brackets()),
        beliefs=tuple(results.beliefs()),
        agreements=tuple(_named(agreement(models, results.examples, told))),
        diagnoses=tuple(_diagnosed(diagnosis) for diagnosis in results.diagnoses()),
        measured=tuple(measured(results.metrics())),
        families=bare.families,
        figures=tuple(_figures(results, cells)),
    )
    ids = {model: attacked.ids for model, attacked in models.items()}
    data = replace(data, scores=tuple(_scores(data, models)), evidence=tuple(_evidence(data, results, ids)))
    return replace(data, pictures=tuple(_pictures(results, data, ids)))


def _about(results: MatrixResults) -> About:
    record = results.head
    matrix = record.document
    return About(
        name=str(matrix.get("name", results.path.name)),
        matrix=json.dumps(matrix, indent=2, ensure_ascii=False),
        command=record.command,
        device=record.device,
        seed=record.seed,
        started=record.started,
        versions={"frontdef": record.frontdef, **record.versions},
        skipped=(*record.notes, *record.skipped),
    )


def _diagnosed(diagnosis: Mapping[str, Any]) -> Diagnosed:
    names = {name: str(diagnosis[name]) for name in MODEL}
    return Diagnosed(**names, diagnosis=read_diagnosis(diagnosis))


def _named(verdicts: Iterable[Agreement]) -> Iterator[Agreement]:
    """Verdicts whose families are called as the page calls them."""
    return (replace(verdict, family=shown(verdict.family, verdict.source)) for verdict in verdicts)


def _families(cells: Iterable[CellRow]) -> Iterator[FamilyNote]:
    for name in dict.fromkeys(cell.family for cell in cells):
        try:
            family = get_family(family_of(name))
        except UnknownNameError:  # a run may be read where the plugin that brought the family is not installed
            continue
        yield FamilyNote(name, family.title, family.agreement)


ADDED = ("key", "invalid")
"""What a row of the report has that is no column of the table ``cells``."""


def _cell(row: dict[Any, Any]) -> CellRow:
    known = {name: _plain(row[name]) for name in (f.name for f in fields(CellRow)) if name not in ADDED}
    present = {name: value for name, value in known.items() if value is not None}
    attack = {"family": shown(row["family"], row["source"])}
    return CellRow(key=str(row["cell"]), **{"eps": None, **present, **attack})


def _plain(value: Any) -> Any:
    """A value of a data frame as Python has it: what is missing is None."""
    if isinstance(value, list | np.ndarray):
        return tuple(value)
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_invalid(cells: Iterable[CellRow], models: Models) -> Iterator[CellRow]:
    """The cells, with the examples that an attack was not allowed to return counted."""
    invalid: dict[str, int] = {}
    for attacked in models.values():
        outside = attacked.ran & ~attacked.says("valid")
        invalid.update(zip(attacked.cells["cell"], outside.sum(axis=1).tolist(), strict=True))
    return (replace(cell, invalid=invalid.get(cell.key, 0)) for cell in cells)


def _scores(data: ReportData, models: Models) -> Iterator[Score]:
    """What each cell broke in each setting, in the order of the samples' ids; it may have been run on some of them."""
    made_for = {cell.key: set(data.settings_for(cell)) for cell in data.cells}
    scores: dict[str, list[Score]] = {}
    for (dataset, classifier, _), attacked in models.items():
        first = {key: place for place, key in reversed(list(enumerate(attacked.cells["cell"]))) if key not in scores}
        rows = list(first.values())
        for setting in data.settings:
            if setting.model != (dataset, classifier):
                continue
            reach, loses = setting.eps + TOLERANCE, attacked.loses(setting.norm)[rows]
            fell, lost = attacked.breaks(setting.norm)[rows] <= reach, loses <= reach
            typical = medians(loses, lost) if setting.norm in MEASURED else np.full(len(rows), np.nan)
            shown_here = np.array([setting in made_for[key] for key in first], dtype=bool)
            for i in np.flatnonzero(shown_here | fell.any(axis=1)):
                key, ran = list(first)[i], attacked.ran[rows[i]]
                score = Score(key, setting, fell[i], lost[i], ran, _plain(typical[i]))
                scores.setdefault(key, []).append(score)
    return (score for cell in data.cells for score in scores.get(cell.key, ()))


def _evidence(
    data: ReportData, results: MatrixResults, ids: Mapping[tuple[str, str, str], np.ndarray]
) -> Iterator[DiagnosedAttack]:
    broke = results.evidence()
    for setting in data.settings:
        within = broke[(broke["norm"] == setting.norm) & (broke["eps"] <= setting.eps)]
        for (dataset, classifier, defense, attack), rows in within.groupby([*MODEL, "attack"]):
            model = (str(dataset), str(classifier), str(defense))
            if model[:2] == setting.model and model in ids:
                yield DiagnosedAttack(setting, model[2], str(attack), np.isin(ids[model], rows["sample_id"]))


def _figures(results: MatrixResults, cells: Iterable[CellRow]) -> Iterator[Figure]:
    for names in dict.fromkeys((cell.dataset, cell.classifier, cell.defense) for cell in cells):
        for title, images in results.figures(*names).items():
            yield Figure(*names, title=title, images=images)


def _pictures(
    results: MatrixResults, data: ReportData, ids: Mapping[tuple[str, str, str], np.ndarray]
) -> Iterator[AttackedPicture]:
    images = {name: results.clean(name) for name in {setting.dataset for setting in data.settings}}
    read = lru_cache(maxsize=None)(lambda key: results.open_tensors("records", key))
    choices = list(choose(data, max(batch[0].size for batch in images.values())))
    stored = results.read_rows("records", [choice.cell for choice in choices])
    recorded = {key: arrays(rows, RECORDED) for key, rows in stored.items()}
    for choice in choices:
        # Scores are in the order of sample ids, examples in that of the records.
        cell, kept = data.cell_by_key[choice.cell], read(choice.cell)
        rows = recorded[choice.cell]
        sample_id = ids[cell.dataset, cell.classifier, cell.defense][choice.index]
        at = int(np.flatnonzero(rows["sample_id"] == sample_id)[0])
        clean = images[cell.dataset][at]
        seen = kept.array_rows("seen", at, at + 1)[0] if "seen" in kept else None
        yield AttackedPicture(
            setting=choice.setting,
            defense=cell.defense,
            family=cell.family,
            library=cell.library,
            sample_id=int(sample_id),
            label=int(rows["label"][at]),
            clean_prediction=int(rows["clean_prediction"][at]),
            adversarial_prediction=int(rows["adversarial_prediction"][at]),
            distance=float(rows[choice.setting.norm][at]) if choice.setting.norm in MEASURED else math.nan,
            clean=clean,
            attacked=kept.array_rows("x_adv", at, at + 1)[0],
            seen=seen if seen is not None and seen.shape == clean.shape else None,
        )
