"""What a run said, small enough to keep: pages of the docs are made of it (docs/summaries.py).

python benchmarks/summarize.py runs/models benchmarks/results/models
python benchmarks/summarize.py runs/sparsenet benchmarks/results/sparsenet
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import pandas as pd
import summary

from frontdef.registry import get_family
from frontdef.runs.results import Results, load_results
from frontdef.verdicts.agreement import VERDICTS

CELL = (
    "dataset", "classifier", "defense", "norm", "attack", "judged_eps", "library", "n", "robust_accuracy", "forwards",
    "backwards", "seconds", "status",
)  # fmt: skip


def main() -> None:
    """Write ``about.json``, ``worst.csv``, ``cells.csv``, ``agreement.csv`` and ``diagnoses.csv``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    results = load_results(arguments.run)
    frames = {
        "worst": results.worst(),
        "cells": _cells(results),
        "agreement": _agreement(results),
        "diagnoses": _diagnoses(results),
    }
    summary.write(arguments.out, summary.about(results), frames)


def _cells(results: Results) -> pd.DataFrame:
    counted = results.sql("select cell, count(*) as n from records group by cell")
    cells = results.cells().merge(counted, on="cell", how="left")
    named = zip(cells["family"], cells["parameters"], cells["source"], strict=True)
    cells["attack"] = [_attack(*name) + (f" from {source}" if source else "") for *name, source in named]
    return cells.reindex(columns=list(CELL))


def _agreement(results: Results) -> pd.DataFrame:
    """A row an attack and pair of libraries: the verdicts counted over models and front ends."""
    pairs = defaultdict(list)
    for pair in results.agreement():
        pairs[_attack(pair.family, pair.parameters), pair.library_a, pair.library_b].append(pair)
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


def _attack(family: str, parameters: str) -> str:
    """``pgd (steps=10)``: a family, and what of its parameters is not its default."""
    settings = get_family(family).parameters.model_validate(json.loads(parameters))
    told = ", ".join(f"{key}={value}" for key, value in settings.model_dump(exclude_defaults=True).items())
    return family + (f" ({told})" if told else "")


def _diagnoses(results: Results) -> pd.DataFrame:
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


if __name__ == "__main__":
    main()
