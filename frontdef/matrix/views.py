"""Tables that are computed from what a matrix stores: ``cells``, ``outcomes``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
    rows = [
        {
            **_NOT_RUN,
            **job.entry.about,
            **job.about,
            "robust_accuracy": _robust_accuracy(results, job),
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


def _robust_accuracy(results: Results, job: JobState) -> float | None:
    """Judged at the radii of this run: they are no part of a minimum-norm cell's key."""
    if job.status != "ok":
        return None
    columns = results.rows(job).to_pandas()
    return broken.robust_accuracy(columns, job.entry.about["norm"], job.entry.about["judged_eps"])


def outcomes(results: Results) -> pd.DataFrame:
    """Every example at every radius at which its cell is judged."""
    known = cells(results).set_index("cell", drop=False)
    known = known[known["status"] == "ok"]
    records = results.table(RECORDS.name)
    if known.empty:
        return pd.DataFrame(columns=list(OUTCOMES)).astype({"success": bool, "minimum_norm": bool})
    radii = [
        (cell, float(eps), minimum_norm)
        for cell, norm, own, minimum_norm in zip(
            known["cell"], known["norm"], known["eps"], known["eps"].isna(), strict=True
        )
        for eps in (results.head.radii.get(norm, ()) if minimum_norm else (own,))
    ]
    judged = pd.DataFrame(radii, columns=["cell", "eps", "minimum_norm"])
    where = known[list(CELL)].reset_index(drop=True)
    frame = where.merge(judged, on="cell").merge(records, on="cell")
    if len(frame):
        norm, eps = frame["norm"].to_numpy(), frame["eps"].to_numpy()
        frame["success"] = broken.success(frame, norm, eps)
        frame["success_majority"] = broken.success(frame, norm, eps, by="adversarial_majority")
    return frame[list(OUTCOMES)].astype({"minimum_norm": bool, "success": bool, "success_majority": bool})


VIEWS = (View("cells", CELLS, cells), View("outcomes", OUTCOMES, outcomes))
"""What the results of a matrix are asked for beside its tables."""
