"""Table 1 of the L2NNN reproduction beside what is proved: prints the tables of docs/defenses/l2nn.md from a run.

FRONTDEF_DATA=FOLDER frontdef run benchmarks/papers/l2nn.toml
python benchmarks/papers/l2nn.py runs/l2nn
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from frontdef.runs.results import Results, load_results
from frontdef.verdicts.statistics import wilson

COLUMNS = {
    "NAT": None,
    "FGSM": ("fgsm", "linf", 0.3),
    "PGD": ("pgd", "linf", 0.3),
    "APGD-DLR": ("apgd", "linf", 0.3),
}
"""The paper's columns, and one whose loss no large gap can silence; None is clean accuracy."""


def main() -> None:
    """Print the paper's table, then certified and PGD accuracy side by side at each ℓ2 radius."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    results = load_results(parser.parse_args().run)
    print(_head(results))
    print("\n### The paper's table\n")
    print(_published(results))
    print("\n### Certified ≤ true ≤ PGD, ℓ2\n")
    print(_certified(results))


def _head(results: Results) -> str:
    matrix, versions = results.head.document, results.head.versions
    return (
        f"{matrix['samples']} test images, {matrix['train_samples']} training images, seed {matrix['seed']}; torch "
        f"{versions['torch']}, Python {versions['python']}, {results.head.device}."
    )


def _published(results: Results) -> str:
    outcomes, gaps = results.outcomes(), _quantities(results)
    titles = ["", *COLUMNS, "c-gap", "bound"]
    rows = [f"| {' | '.join(titles)} |", f"{'| --- ' * len(titles)}|"]
    for defense, own in outcomes.groupby("defense", sort=False):
        shares = [_share(_column(own, attack)) for attack in COLUMNS.values()]
        gap = gaps.loc[defense]
        # The bound is what divides a gap, so any correct sample tells it.
        bound = (gap["logit gap"] / gap["confidence gap"]).dropna().median()
        rows.append(f"| {defense} | {' | '.join(shares)} | {gap['confidence gap'].mean():.3g} | {bound:.3g} |")
    return "\n".join(rows)


def _column(own: pd.DataFrame, attack: tuple[str, str, float] | None) -> pd.Series[bool]:
    if attack is None:
        return own.drop_duplicates("sample_id")["clean_correct"].astype(bool)
    family, norm, eps = attack
    here = own[(own["family"] == family) & (own["norm"] == norm) & (own["eps"] == eps)]
    return here["clean_correct"].astype(bool) & ~here["success"].astype(bool)


def _certified(results: Results) -> str:
    outcomes, gaps = results.outcomes(), _quantities(results)
    radii = sorted(outcomes.loc[outcomes["norm"] == "l2", "eps"].unique())
    titles = [f"certified {radius:g} | PGD {radius:g}" for radius in radii]
    rows = [f"| | mean radius | {' | '.join(titles)} |", "| --- " * (2 + 2 * len(radii)) + "|"]
    for defense, own in outcomes.groupby("defense", sort=False):
        proved = gaps.loc[defense]["certified radius"]
        pairs = []
        for radius in radii:
            pairs += [_share(proved > radius + 1e-6), _share(_column(own, ("pgd", "l2", radius)))]
        rows.append(f"| {defense} | {proved.mean():.3f} | {' | '.join(pairs)} |")
    return "\n".join(rows)


def _quantities(results: Results) -> pd.DataFrame:
    """One row a defense and sample, one column a quantity."""
    rows = results.metrics().query("metric == 'confidence-gap'")
    return rows.set_index(["defense", "sample_id", "quantity"])["value"].unstack()


def _share(right: pd.Series[bool]) -> str:
    low, high = wilson(int(right.sum()), len(right))
    return f"{right.mean():.1%} ({low:.0%}–{high:.0%})".replace("%–", "–")


if __name__ == "__main__":
    main()
