"""What a matrix's run said, small enough to keep in a repository: a few tables without a row a sample."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from frontdef.attacks.spec import worded
from frontdef.errors import UnknownNameError
from frontdef.registry import get_family
from frontdef.verdicts.agreement import VERDICTS
from frontdef.verdicts.measured import measured

if TYPE_CHECKING:
    from frontdef.matrix.results import MatrixResults

CELL = (
    "dataset", "classifier", "defense", "norm", "attack", "judged_eps", "library", "surrogate", "average", "n",
    "robust_accuracy", "attacked", "broke", "mean_l2", "forwards", "backwards", "seconds", "status",
)  # fmt: skip


def attack_title(family: str, parameters: str) -> str:
    """``pgd (steps=10)``: a family, and what of its parameters is not its default; the same whatever is averaged.

    Args:
        family: Its id.
        parameters: JSON, as a cell has them.
    """
    settings = {name: value for name, value in json.loads(parameters).items() if name != "average"}
    try:
        told = worded(get_family(family), settings)
    except UnknownNameError:  # its plugin is not installed, or nobody says what the attack was
        told = ", ".join(f"{name}={value}" for name, value in settings.items())
    return family + (f" ({told})" if told else "")


def _cells(results: MatrixResults) -> pd.DataFrame:
    counted = results.sql(
        "select cell, count(*) as n, count(*) filter (clean_correct) as attacked, "
        "count(*) filter (clean_correct and success) as broke, "
        "avg(l2) filter (clean_correct and success) as mean_l2 from records group by cell"
    )
    cells = results.cells().merge(counted, on="cell", how="left")
    named = zip(cells["family"], cells["parameters"], cells["source"], strict=True)
    cells["average"] = [json.loads(parameters).get("average", "") for parameters in cells["parameters"]]
    cells["attack"] = [attack_title(*name) + (f" from {source}" if source else "") for *name, source in named]
    return cells.reindex(columns=list(CELL))


def _agreement(results: MatrixResults) -> pd.DataFrame:
    """A row an attack and pair of libraries: the verdicts counted over models and front ends."""
    pairs = defaultdict(list)
    for pair in results.agreement():
        pairs[attack_title(pair.family, pair.parameters), pair.library_a, pair.library_b].append(pair)
    rows = [
        {
            "attack": attack,
            "library_a": first,
            "library_b": second,
            "n": verdicts[0].n if len({pair.n for pair in verdicts}) == 1 else "",
            **{name: sum(pair.verdict == name for pair in verdicts) for name in VERDICTS},
            "weaker": ", ".join(sorted({pair.weaker for pair in verdicts if pair.weaker})),
            "only_a": sum(pair.only_a for pair in verdicts),
            "only_b": sum(pair.only_b for pair in verdicts),
            "cause": ", ".join(dict.fromkeys(cause for pair in verdicts for cause in pair.cause.split(", ") if cause)),
        }
        for (attack, first, second), verdicts in pairs.items()
    ]
    return pd.DataFrame(rows)


def _metrics(results: MatrixResults) -> pd.DataFrame:
    return pd.DataFrame([asdict(quantity) for quantity in measured(results.metrics())])


def _diagnoses(results: MatrixResults) -> pd.DataFrame:
    rows = [
        {
            **{name: diagnosis[name] for name in ("classifier", "defense", "norm", "eps", "verdict")},
            "n_attacked": diagnosis["n_attacked"],
            "budget": json.dumps(diagnosis["budget"]),
            "alarms": "; ".join(finding["name"] for finding in diagnosis["findings"] if finding["status"] == "alarm"),
            "reasons": " ".join(diagnosis["reasons"]),
            "forwards": diagnosis["cost"]["forward"],
            "backwards": diagnosis["cost"]["backward"],
            "seconds": diagnosis["seconds"],
        }
        for diagnosis in results.diagnoses()
    ]
    return pd.DataFrame(rows)


SUMMARY: Mapping[str, Callable[[MatrixResults], pd.DataFrame]] = {
    "worst": lambda results: results.worst(),
    "cells": _cells,
    "agreement": _agreement,
    "diagnoses": _diagnoses,
    "metrics": _metrics,
}
"""Name of a table → what makes it: each has one row a thing that is shown."""
