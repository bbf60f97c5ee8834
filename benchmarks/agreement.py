"""Do the libraries agree, on the published matrix? Prints the tables of docs/agreement.md from a run's store.

FRONTDEF_DATA=FOLDER frontdef run benchmarks/agreement.toml --jobs 2 --time-limit 300
python benchmarks/agreement.py runs/agreement
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from frontdef.runs.results import Results, load_results
from frontdef.threat import NORM_LABELS, format_eps
from frontdef.verdicts.agreement import VERDICTS, Agreement, agreement


def main() -> None:
    """Print what was run, a table for each mode, and what failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    results = load_results(parser.parse_args().run)
    print(_head(results))
    agreements = agreement(results.outcomes(), results.examples, results.cells())
    for mode, title in (("matched", "Matched parameters"), ("defaults", "Each library's own defaults")):
        print(f"\n### {title}\n")
        print(_table([row for row in agreements if row.mode == mode]))
    print("\n### What failed\n")
    print(_failures(results))


def _head(results: Results) -> str:
    versions, cells = results.head.versions, results.cells()
    named = ("adversarial-robustness-toolbox", "torchattacks", "foolbox", "adv-lib", "torch", "numpy")
    told = ", ".join(f"{name} {versions[name]}" for name in named if name in versions)
    matrix = results.head.document
    clean = results.sql(
        "select dataset, defense, avg(clean_correct::int) as clean from outcomes where family = 'fgsm' "
        "group by all order by all"
    )
    accuracies = "; ".join(f"{row.dataset} {row.defense} {row.clean:.1%}" for row in clean.itertuples())
    return (
        f"{len(cells)} cells, {cells['seconds'].sum() / 3600:.1f} h of attacks; {matrix['samples']} samples, seed "
        f"{matrix['seed']}, {matrix['train_samples']} training images; {told}, Python {versions['python']}, "
        f"{results.head.device}.\nClean accuracy: {accuracies}."
    )


def _attack(row: Agreement) -> str:
    parameters = json.loads(row.parameters)
    shown = {"loss": "cross-entropy", "target": "none", "reading": "mean"}
    words = [str(parameters[name]) for name, usual in shown.items() if name in parameters and parameters[name] != usual]
    starts = ["random start"] if parameters.get("random_start") else []
    told = ", ".join([*words, *starts])
    return f"{row.family} {NORM_LABELS[row.norm]}" + (f" ({told})" if told else "")


def _table(agreements: Iterable[Agreement]) -> str:
    """A row for each pair; one for all libraries of an attack where every pair is identical on every model."""
    attacks: dict[tuple[str, float], list[Agreement]] = {}
    for row in agreements:
        attacks.setdefault((_attack(row), row.eps), []).append(row)
    lines = [
        "| attack | ε | libraries | verdicts over models | broke % | passes a sample | same examples | cause |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (attack, eps), rows in attacks.items():
        if all(row.verdict == "identical" for row in rows):
            libraries = ", ".join(sorted({name for row in rows for name in (row.library_a, row.library_b)}))
            broke = f"{100 * np.mean([row.success_a for row in rows]):.0f}"
            lines.append(
                f"| {attack} | {format_eps(eps)} | {libraries} | {len(rows)} identical | {broke} | | 100% | – |"
            )
            continue
        name = f"| {attack} | {format_eps(eps)}"
        for pair in dict.fromkeys((row.library_a, row.library_b) for row in rows):
            lines.append(f"{name} | {_pair([row for row in rows if (row.library_a, row.library_b) == pair])} |")
            name = "| |"
    return "\n".join(lines)


def _pair(rows: list[Agreement]) -> str:
    counts = Counter(row.verdict for row in rows)
    weaker = Counter(row.weaker for row in rows if row.weaker)
    verdicts = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    blamed = f" ({', '.join(f'{name} weaker in {n}' for name, n in weaker.items())})" if weaker else ""
    causes = dict.fromkeys(cause for row in rows for cause in row.cause.split(", ") if cause)
    return " | ".join(
        (
            f"{rows[0].library_a} / {rows[0].library_b}", f"{verdicts}{blamed}", _mean(rows, "success", 100),
            _mean(rows, "passes", 1), f"{np.mean([row.same_share for row in rows]):.0%}", ", ".join(causes) or "–",
        )
    )  # fmt: skip


def _mean(rows: list[Agreement], name: str, scale: float) -> str:
    return " / ".join(f"{scale * np.mean([getattr(row, f'{name}_{side}') for row in rows]):.0f}" for side in "ab")


def _failures(results: Results) -> str:
    cells = results.cells()
    failed = cells[cells["status"] == "failed"]
    missing = int((cells["status"] == "missing").sum())
    lines = [f"{len(failed)} cells failed, {missing} were not run."]
    if len(failed):
        last = [error.strip().splitlines()[-1][:160] for error in failed["error"]]
        counted = pd.DataFrame({"library": failed["library"], "family": failed["family"], "error": last})
        for (library, family, error), group in counted.groupby(["library", "family", "error"]):
            lines.append(f"* {library} {family}, {len(group)} cells: {error}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
