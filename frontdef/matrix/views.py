"""Tables that are computed from what a matrix stores: ``cells``, ``outcomes``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from frontdef.matrix.tables import CELL, CELLS, OUTCOMES, RECORDS
from frontdef.runs.table import View
from frontdef.verdicts import broken

if TYPE_CHECKING:
    from frontdef.runs.results import JobState, Results

_NOT_RUN: Mapping[str, Any] = {
    "call": "",
    "difference": "",
    "caveat": "",
    "causes": [],
    "faults": [],
    "stages": [],
    "weakens": [],
    "strengthens": [],
}
"""What is not known of a cell that was not run."""


def cells(results: Results) -> pd.DataFrame:
    """One row a cell of the matrix, whether or not it has been run."""
    robust = _robust_accuracies(results)
    rows = [
        {
            **_NOT_RUN,
            **job.entry.about,
            **job.about,
            "robust_accuracy": robust.get(job.entry.key),
            "status": job.status,
            "error": job.error,
            "command": _command(results, job),
        }
        for job in results.jobs_of(RECORDS.name)
    ]
    frame = pd.DataFrame(rows, columns=list(CELLS))
    numbers = {name: pd.to_numeric(frame[name]) for name, column in CELLS.items() if column.type == "double"}
    return frame.assign(**numbers)


def _command(results: Results, job: JobState) -> str:
    """What runs a cell again; of objects that no file holds the call that ran it."""
    again = f" --overwrite --only {shlex.quote(job.entry.key)}"
    return results.head.command + ("" if results.head.live else again)


def _robust_accuracies(results: Results) -> dict[str, float]:
    """Of each cell that is done, judged at the radii of this run: they are no part of a minimum-norm cell's key."""
    about = {job.entry.key: job.entry.about for job in results.jobs_of(RECORDS.name)}
    shares: dict[str, float] = {}
    for block in results.blocks(RECORDS.name):
        whose = np.repeat(np.arange(len(block.keys)), block.counts)
        norms, radii = ([about[key][name] for key in block.keys] for name in ("norm", "judged_eps"))
        robust = broken.withstood(block.rows.to_pandas(), np.array(norms)[whose], np.array(radii, dtype=float)[whose])
        withstood = np.bincount(whose, weights=robust, minlength=len(block.keys))
        for key, number, count in zip(block.keys, withstood, block.counts, strict=True):
            shares[key] = float(number / count) if count else float("nan")
    return shares


def outcomes(results: Results) -> pd.DataFrame:
    """Every example at every radius at which its cell is judged."""
    known = cells(results)
    known = known[known["status"] == "ok"].reset_index(drop=True)
    if known.empty:
        return pd.DataFrame(columns=list(OUTCOMES)).astype({"success": bool, "minimum_norm": bool})
    cell, eps, minimum_norm = _judged(results, known)
    starts, counts = _places(results, known["cell"])
    many = counts[cell]
    rows = np.repeat(starts[cell] - np.cumsum(many) + many, many) + np.arange(many.sum())
    names = [name for name in CELL if CELLS[name].type == "varchar"]
    where = known[list(CELL)].astype(dict.fromkeys(names, "category"))  # a name is repeated in every row of its cell
    frame = results.table(RECORDS.name).drop(columns="cell").iloc[rows].reset_index(drop=True)
    whose = np.repeat(cell, many)
    for name in CELL:
        frame[name] = where[name].take(whose).array
    frame["eps"], frame["minimum_norm"] = np.repeat(eps, many), np.repeat(minimum_norm, many)
    if len(frame):
        norm = frame["norm"].to_numpy()
        frame["success"] = broken.success(frame, norm, frame["eps"].to_numpy())
        frame["success_majority"] = broken.success(frame, norm, frame["eps"].to_numpy(), by="adversarial_majority")
    return frame[list(OUTCOMES)].astype({"minimum_norm": bool, "success": bool, "success_majority": bool})


def _judged(results: Results, known: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell, by its position, and radius at which it is judged, and whether it is of a minimum-norm attack."""
    radii = [
        (position, float(eps), minimum_norm)
        for position, (norm, own, minimum_norm) in enumerate(
            zip(known["norm"], known["eps"], known["eps"].isna(), strict=True)
        )
        for eps in (results.head.radii.get(norm, ()) if minimum_norm else (own,))
    ]
    cell, eps, minimum_norm = zip(*radii, strict=True) if radii else ((), (), ())
    return np.array(cell, dtype=int), np.array(eps, dtype=float), np.array(minimum_norm, dtype=bool)


def _places(results: Results, cells: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """From which row of the table of records each cell's stand, and how many."""
    places, first = {}, 0
    for block in results.blocks(RECORDS.name):
        for key, start, count in zip(block.keys, block.starts, block.counts, strict=True):
            places[key] = first + start, count
        first += len(block.rows)
    starts, counts = zip(*(places[cell] for cell in cells), strict=True)
    return np.array(starts, dtype=int), np.array(counts, dtype=int)


VIEWS = (View("cells", CELLS, cells), View("outcomes", OUTCOMES, outcomes))
"""What the results of a matrix are asked for beside its tables."""
