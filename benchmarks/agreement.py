"""Do the libraries agree, on the published matrix? What docs/agreement.md is made of, from a run's store.

FRONTDEF_DATA=FOLDER frontdef run benchmarks/agreement-500.toml
python benchmarks/agreement.py runs/agreement-500 benchmarks/results/agreement-500
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pandas as pd
import summary

from frontdef.matrix.results import MatrixResults
from frontdef.threat import NORM_LABELS
from frontdef.verdicts.agreement import Agreement

PAIR = (
    "dataset", "classifier", "defense", "attack", "eps", "mode", "library_a", "library_b", "n", "success_a",
    "success_b", "only_a", "only_b", "p_holm", "low", "high", "same_share", "passes_a", "passes_b", "verdict", "weaker",
    "cause",
)  # fmt: skip


def main() -> None:
    """Write ``about.json`` and ``pairs.csv``."""
    results, out = summary.asked(__doc__)
    frame = pd.DataFrame([{**asdict(row), "attack": _attack(row)} for row in results.agreement()], columns=list(PAIR))
    summary.write(out, {**summary.about(results), **_done(results)}, {"pairs": frame}, digits=6)


def _done(results: MatrixResults) -> dict[str, Any]:
    """How far it came."""
    cells = results.cells()
    ran = cells[cells["status"] == "ok"]
    return {
        "ran": len(ran),
        "cells": len(cells),
        "hours": round(float(ran["seconds"].sum()) / 3600, 2),
        "models": [" ".join(names) for names in ran.groupby(["dataset", "classifier", "defense"], sort=False).groups],
    }


def _attack(row: Agreement) -> str:
    """``pgd ℓ∞ (next, random start)``: a family in its norm, and what of its parameters changes its kind."""
    parameters = json.loads(row.parameters)
    usual = {"loss": "cross-entropy", "target": "none", "reading": "mean"}
    words = [str(parameters[name]) for name, value in usual.items() if name in parameters and parameters[name] != value]
    told = ", ".join([*words, *(["random start"] if parameters.get("random_start") else [])])
    return f"{row.family} {NORM_LABELS[row.norm]}" + (f" ({told})" if told else "")


if __name__ == "__main__":
    main()
