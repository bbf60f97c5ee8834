"""Write a claim: for each row of a run the images, the examples that lower its worst case, and what they show."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from safetensors.numpy import save

from frontdef._version import __version__
from frontdef.errors import ConfigError
from frontdef.matrix.results import MatrixResults
from frontdef.runs.results import Results, require_kind
from frontdef.threat import MEASURED, TOLERANCE
from frontdef.verdicts.bracket import Bracket
from frontdef.verdicts.broken import breaks_from
from frontdef.whole import write_whole

SCRIPT = Path(__file__).with_name("check.py")

ROW = ("dataset", "classifier", "defense")

MOMENT = (1980, 1, 1, 0, 0, 0)
"""When every file of the archive says that it was made, so that the same run gives the same archive."""


class Claim(NamedTuple):
    """What a bundle holds.

    Args:
        rows: Defended models.
        examples: Examples.
        lost: Samples that fell in the run to examples that it did not keep: the claim leaves them standing.
    """

    rows: int
    examples: int
    lost: int


class _Row(NamedTuple):
    about: dict[str, Any]
    tensors: dict[str, np.ndarray]
    lost: int


def bundle(results: Results, path: Path) -> Claim:
    """Write a run's claim as an archive: ``claim.json``, ``check.py``, and a safetensors file a row.

    Args:
        results: The run.
        path: The archive.

    Returns:
        What is in it.

    Raises:
        ConfigError: The run is no matrix, or nothing was attacked in it yet.
        StoreError: A file of the run is damaged, or the archive can't be written.
    """
    results = require_kind(results, MatrixResults, ", and a claim is about robust accuracy")
    rows = list(_rows(results))
    if not rows:
        raise ConfigError(f"nothing was attacked in {results.path} yet: `frontdef run` goes on where it was stopped")
    files = {row.about["file"]: save(row.tensors) for row in rows}
    for row in rows:
        row.about["sha256"] = hashlib.sha256(files[row.about["file"]]).hexdigest()
    head = results.head
    said = {
        "run": head.name,
        "frontdef": __version__,
        "versions": head.versions,
        "seed": head.seed,
        "rows": [row.about for row in rows],
    }
    text = {"claim.json": json.dumps(said, indent=1, ensure_ascii=False).encode(), "check.py": SCRIPT.read_bytes()}
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, data in {**text, **files}.items():
            writer.writestr(zipfile.ZipInfo(name, MOMENT), data, zipfile.ZIP_DEFLATED)
    write_whole(path, archive.getvalue())
    return Claim(len(rows), sum(_counted(row) for row in rows), sum(row.lost for row in rows))


def _counted(row: _Row) -> int:
    return sum(len(values) for name, values in row.tensors.items() if name.endswith(".examples"))


def _rows(results: MatrixResults) -> Iterator[_Row]:
    threats: dict[tuple[str, ...], list[Bracket]] = {}
    for bracket in results.brackets():
        threats.setdefault((bracket.dataset, bracket.classifier, bracket.defense), []).append(bracket)
    outcomes = results.outcomes()
    models = {tuple(job.entry.about[name] for name in ROW): job.entry.model for job in results.jobs_of("records")}
    for number, (names, group) in enumerate(outcomes.groupby(list(ROW), sort=False)):
        row = tuple(map(str, names))
        yield _row(results, number, row, group, threats[row], str(models[row]))


def _row(
    results: MatrixResults, number: int, names: tuple[str, ...], group: pd.DataFrame, threats: list[Bracket], model: str
) -> _Row:
    samples = {name: tensor.numpy() for name, tensor in results.samples(names[0]).items()}
    used = np.flatnonzero(np.isin(samples["ids"], group["sample_id"].unique()))
    ids = samples["ids"][used]
    place = {int(sample): index for index, sample in enumerate(ids)}
    tensors = {"ids": ids, "labels": samples["labels"][used], "images": samples["images"][used]}
    claimed, lost = [], 0
    norms = [norm for norm in dict.fromkeys(bracket.norm for bracket in threats) if norm in MEASURED]
    for norm in norms:
        here = [bracket for bracket in threats if bracket.norm == norm]
        chosen = _chosen(results, names, group, norm, [bracket.eps for bracket in here])
        tensors[f"{norm}.images"] = np.array([place[sample] for sample in chosen], dtype=np.int64)
        shape = samples["images"].shape[1:]
        tensors[f"{norm}.examples"] = np.array([example for _, example in chosen.values()], np.float32).reshape(
            -1, *shape
        )
        for bracket in here:
            fell = sum(eps <= bracket.eps for eps, _ in chosen.values())
            right = round(bracket.clean * bracket.n)
            lost += right - fell - round(bracket.worst_case * bracket.n)
            claimed.append({"norm": norm, "eps": bracket.eps, "n": bracket.n, "robust": (right - fell) / bracket.n})
    about = {
        "title": " · ".join(names),
        **dict(zip(ROW, names, strict=True)),
        "model": model,
        "file": f"{number}.safetensors",
        "norms": norms,
        "clean": max((bracket.clean for bracket in threats), default=0.0),
        "threats": claimed,
    }
    return _Row(about, {name: np.ascontiguousarray(values) for name, values in tensors.items()}, lost)


def _chosen(
    results: MatrixResults, names: tuple[str, ...], group: pd.DataFrame, norm: str, radii: list[float]
) -> dict[int, tuple[float, np.ndarray]]:
    """Of each sample that falls the smallest radius at which it does, and of its examples there the farthest wrong."""
    rows = group.assign(away=breaks_from(group, norm), place=group.groupby("cell").cumcount())
    rows = rows[rows["away"] <= max(radii) + TOLERANCE]
    rows = rows[np.array([results.store.has_tensors("records", cell) for cell in rows["cell"]], dtype=bool)]
    steps = np.sort(np.array(radii))
    rows = rows.assign(eps=steps[np.searchsorted(steps + TOLERANCE, rows["away"])])
    rows = rows.sort_values(["eps", "margin"], kind="stable").drop_duplicates("sample_id")
    chosen: dict[int, tuple[float, np.ndarray]] = {}
    for cell, found in rows.groupby("cell", sort=False):
        examples = results.examples(str(cell))
        for sample, eps, place in zip(found["sample_id"], found["eps"], found["place"], strict=True):
            chosen[int(sample)] = (float(eps), examples[place])
    for sample, (eps, example) in _diagnosed(results, names, norm).items():
        if sample not in chosen or eps < chosen[sample][0]:
            chosen[sample] = (eps, example)
    return dict(sorted(chosen.items()))


def _diagnosed(results: MatrixResults, names: tuple[str, ...], norm: str) -> dict[int, tuple[float, np.ndarray]]:
    found: dict[int, tuple[float, np.ndarray]] = {}
    for job in results.jobs_of("diagnoses"):
        about = job.entry.about
        where = (*(about[name] for name in ROW), about["norm"])
        if job.status != "ok" or where != (*names, norm) or not results.store.has_tensors("diagnoses", job.entry.key):
            continue
        kept = results.tensors("diagnoses", job.entry.key)
        for sample, example in zip(kept["sample_ids"].tolist(), kept["x_adv"].numpy(), strict=True):
            if sample not in found or about["eps"] < found[sample][0]:
                found[sample] = (float(about["eps"]), example)
    return found
