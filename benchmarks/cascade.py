"""The cascade beside AutoAttack and adv-lib: what each leaves of a model and what it cost, from runs of the matrices.

python benchmarks/cascade.py runs/cascade runs/cascade-digits benchmarks/results/cascade
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import summary

from frontdef.runs.results import load_results
from frontdef.verdicts.statistics import wilson

ATTACKS = {
    "cascade": [("native", "cascade")],
    "AutoAttack": [("torchattacks", "autoattack")],
    "adv-lib APGD-T": [("advlib", "apgdt")],
    "adv-lib APGD-T, FAB": [("advlib", "apgdt"), ("advlib", "fab")],
}
"""What stands side by side: a name, and the calls whose successes count together."""

MODEL = ["dataset", "classifier", "defense"]


def main() -> None:
    """Write ``rows.csv``, ``stages.csv`` and ``about.json``; what a run lacks is left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="run folders; of a cell that several hold the first counts")
    parser.add_argument("out", type=Path, help="folder of the summary")
    arguments = parser.parse_args()
    results = [load_results(run) for run in arguments.runs]
    cells = pd.concat([run.cells() for run in results])
    cells = cells[cells["status"] == "ok"].drop_duplicates([*MODEL, "library", "family"])
    outcomes = pd.concat([run.outcomes() for run in results])
    frames = {"rows": pd.DataFrame(rows(cells, outcomes)), "stages": pd.DataFrame(stages(cells))}
    summary.write(arguments.out, [summary.about(run) for run in results], frames)


def rows(cells: pd.DataFrame, outcomes: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A row a model and attack: samples right, samples left, passes a sample, and who broke what AutoAttack left."""
    for model, group in cells.groupby(MODEL, sort=False):
        judged = outcomes[outcomes["cell"].isin(group["cell"])]
        left = {name: _left(judged, calls) for name, calls in ATTACKS.items()}
        for name, calls in ATTACKS.items():
            if left[name] is None:
                continue
            mine = group[[call in calls for call in zip(group["library"], group["family"], strict=True)]]
            n, robust = len(left[name]), int(left[name].sum())
            low, high = wilson(robust, n)
            reference, right = left["AutoAttack"], judged.drop_duplicates("sample_id")["clean_correct"]
            yield {
                **dict(zip(MODEL, model, strict=True)), "eps": float(mine["judged_eps"].iloc[0]), "attack": name,
                "n": n, "right": int(right.sum()), "robust": robust, "low": low, "high": high,
                "passes": float((mine["forwards"] + mine["backwards"]).sum()),
                "only_it": None if reference is None else int((~left[name] & reference).sum()),
                "only_autoattack": None if reference is None else int((left[name] & ~reference).sum()),
            }  # fmt: skip


def _left(outcomes: pd.DataFrame, calls: list[tuple[str, str]]) -> pd.Series | None:
    """Of each sample whether it is right and stands under all calls; None where one of them was not run."""
    made = [call in calls for call in zip(outcomes["library"], outcomes["family"], strict=True)]
    chosen = outcomes[made]
    if chosen.groupby(["library", "family"]).ngroups < len(calls):
        return None
    stands = chosen["clean_correct"] & ~chosen["success"]
    return stands.groupby(chosen["sample_id"]).all().sort_index()


def stages(cells: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A row a model and stage of the cascade."""
    for cell in cells[cells["family"] == "cascade"].itertuples():
        for stage in cell.stages:
            yield {**{name: getattr(cell, name) for name in MODEL}, **stage}


if __name__ == "__main__":
    main()
