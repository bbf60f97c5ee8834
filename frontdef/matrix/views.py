"""Tables that are computed from what a matrix stores: ``cells``, ``outcomes``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from frontdef.matrix.tables import CELL, CELLS, OUTCOMES, RECORDS
from frontdef.reading import uncollected
from frontdef.runs.columns import arrays
from frontdef.runs.table import View
from frontdef.verdicts import broken
from frontdef.verdicts.attacked import ASKED, EXAMPLE, Models, sort_out

if TYPE_CHECKING:
    import pandas as pd

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


@uncollected()
def cells(results: Results) -> pd.DataFrame:
    """One row a cell of the matrix, whether or not it has been run."""
    import pandas as pd

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
        robust = broken.withstood(
            arrays(block.rows, EXAMPLE), np.array(norms)[whose], np.array(radii, dtype=float)[whose]
        )
        withstood = np.bincount(whose, weights=robust, minlength=len(block.keys))
        for key, number, count in zip(block.keys, withstood, block.counts, strict=True):
            shares[key] = float(number / count) if count else float("nan")
    return shares


def outcomes(results: Results) -> pd.DataFrame:
    """Every example at every radius at which its cell is judged."""
    import pandas as pd

    judged, whose, rows = _judged(results)
    if not judged["cell"]:
        return pd.DataFrame(columns=list(OUTCOMES)).astype({"success": bool, "minimum_norm": bool})
    frame = results.table(RECORDS.name).drop(columns="cell")
    frame = frame if rows is None else frame.iloc[rows].reset_index(drop=True)
    names = [name for name in CELL if CELLS[name].type == "varchar"]
    where = pd.DataFrame(judged).astype(dict.fromkeys(names, "category"))  # a name is repeated in every row of its cell
    for name in where:
        frame[name] = where[name].take(whose).array
    if len(frame):
        norm, eps = frame["norm"].to_numpy(), frame["eps"].to_numpy()
        frame["success"] = broken.success(frame, norm, eps)
        frame["success_majority"] = broken.success(frame, norm, eps, by="adversarial_majority")
    return frame[list(OUTCOMES)].astype({"minimum_norm": bool, "success": bool, "success_majority": bool})


def attacked(results: Results, *, keep: bool = True) -> Models:
    """The same, sorted out by model, without a table of all that is known of every row.

    Args:
        results: The run.
        keep: Whether the records stay in memory, for whoever asks for them next.
    """
    cells, whose, rows = _judged(results)
    if not cells["cell"]:
        return {}
    blocks = results.blocks(RECORDS.name) if keep else results.take_blocks(RECORDS.name)
    columns = [arrays(block.rows, EXAMPLE) for block in blocks]
    examples = {}
    for name in EXAMPLE:
        examples[name] = np.concatenate([block.pop(name) for block in columns])
        if not keep:
            pa.default_memory_pool().release_unused()
    if rows is not None:
        examples = {name: values[rows] for name, values in examples.items()}
    return sort_out({name: cells[name] for name in ASKED}, whose, examples)


@uncollected()
def _judged(results: Results) -> tuple[dict[str, list[Any]], np.ndarray, np.ndarray | None]:
    """Cells that are done, at each radius at which they are judged.

    Returns:
        Column of `CELL`, ``eps``, ``minimum_norm`` → a value for each cell and radius; which of these each example is
        of, ``(N,)``; its row in the table of records, None where it is the N-th.
    """
    jobs = [job.entry for job in results.jobs_of(RECORDS.name) if job.status == "ok"]
    places = _places(results)
    radii = results.head.radii
    judged = [
        (job, float(eps), own is None)
        for job in jobs
        for own in [job.about.get("eps")]
        for eps in (radii.get(job.about.get("norm", ""), ()) if own is None else (own,))
    ]
    cells: dict[str, list[Any]] = {name: [job.about.get(name) for job, *_ in judged] for name in CELL if name != "cell"}
    cells |= {"cell": [job.key for job, *_ in judged], "eps": [eps for _, eps, _ in judged]}
    cells["minimum_norm"] = [minimum_norm for *_, minimum_norm in judged]
    starts, counts = (np.array([places[key][of] for key in cells["cell"]], dtype=int) for of in (0, 1))
    whose = np.repeat(np.arange(len(judged)), counts)
    rows = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    in_order = len(rows) == sum(count for _, count in places.values()) and bool((np.diff(rows) == 1).all())
    return cells, whose, None if in_order else rows


def _places(results: Results) -> dict[str, tuple[int, int]]:
    """Cell → from which row of the table of records its own stand, and how many."""
    places, first = {}, 0
    for block in results.blocks(RECORDS.name):
        for key, start, count in zip(block.keys, block.starts.tolist(), block.counts, strict=True):
            places[key] = first + start, count
        first += len(block.rows)
    return places


VIEWS = (View("cells", CELLS, cells), View("outcomes", OUTCOMES, outcomes))
"""What the results of a matrix are asked for beside its tables."""
