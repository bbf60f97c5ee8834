"""Figures 4 to 6 of the report as tables, and PGD beside them: prints the tables of docs/defenses/latent.md from a run.

FRONTDEF_DATA=FOLDER frontdef run benchmarks/papers/latent.toml
python benchmarks/papers/latent.py runs/latent
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import pandas as pd

from frontdef.runs.results import Results, load_results
from frontdef.verdicts.statistics import wilson

TRANSFER = "pgd from none latent-lrl"
ATTACKS = (
    ("noise", "linf", 0.2),
    (TRANSFER, "linf", 0.1),
    (TRANSFER, "linf", 0.2),
    ("pgd", "linf", 0.1),
    ("pgd", "linf", 0.2),
    ("pgd", "l2", 2.0),
)
"""Family, norm and radius of the columns."""

SYMBOLS = {"linf": "ℓ∞", "l2": "ℓ2"}


def main() -> None:
    """Print the report's measures, then accuracy under attack, then the surrogates one by one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    results = load_results(parser.parse_args().run)
    versions = results.about.get("versions", {})
    print(", ".join(f"{name} {versions[name]}" for name in ("frontdef", "torch", "python") if name in versions))
    print("\n### The report's measures\n")
    print(_measures(results))
    print("\n### Accuracy under attack, the strongest surrogate for each sample\n")
    print(_attacks(results))
    print("\n### PGD by surrogate\n")
    print(_surrogates(results))


def _rows(results: Results) -> list[str]:
    return list(dict.fromkeys(results.cells()["defense"]))


def _measures(results: Results) -> str:
    metrics = results.metrics()
    lines = ["| defense | clean | relative distance | reached | accuracy on confident examples |", "| --- " * 5 + "|"]
    for defense in _rows(results):
        measured = metrics[metrics["defense"] == defense]
        values = {str(name): rows["value"].dropna() for name, rows in measured.groupby("quantity")}
        # Only images that are classified correctly are moved towards a goal: the others have no value.
        right = measured[measured["quantity"] == "reached"]["value"].notna()
        lines.append(
            f"| `{defense}` | {_share(right)} | {_mean(values.get('relative distance'))} "
            f"| {_share(values.get('reached'))} | {_share(values.get('adversarial accuracy'))} |"
        )
    return "\n".join(lines)


def _attacks(results: Results) -> str:
    worst = results.sql(
        "select defense, family, norm, eps, sample_id, bool_or(success or not clean_correct) as broken "
        "from outcomes group by all"
    )
    heads = [f"{family.replace(TRANSFER, 'transfer')} {SYMBOLS[norm]} {eps:g}" for family, norm, eps in ATTACKS]
    lines = ["| defense | " + " | ".join(heads) + " |", "| --- " * (1 + len(heads)) + "|"]
    for defense in _rows(results):
        shares = [_share(~_pick(worst, defense, *attack)["broken"]) for attack in ATTACKS]
        lines.append(f"| `{defense}` | " + " | ".join(shares) + " |")
    return "\n".join(lines)


def _surrogates(results: Results) -> str:
    broken = results.sql(
        "select defense, surrogate, family, norm, eps, success or not clean_correct as broken from outcomes "
        "where surrogate <> '' and family = 'pgd'"
    )
    columns = [attack for attack in ATTACKS if attack[0] == "pgd"]
    heads = [f"{SYMBOLS[norm]} {eps:g}" for _, norm, eps in columns]
    lines = ["| defense | surrogate | " + " | ".join(heads) + " |", "| --- " * (2 + len(heads)) + "|"]
    for (defense, surrogate), rows in broken.groupby(["defense", "surrogate"], sort=False):
        shares = [_share(~_pick(rows, str(defense), *attack)["broken"]) for attack in columns]
        lines.append(f"| `{defense}` | `{surrogate}` | " + " | ".join(shares) + " |")
    return "\n".join(lines)


def _pick(rows: pd.DataFrame, defense: str, family: str, norm: str, eps: float) -> pd.DataFrame:
    here = (rows["defense"] == defense) & (rows["family"] == family) & (rows["norm"] == norm)
    return rows[here & ((rows["eps"] - eps).abs() < 1e-9)]


def _share(values: pd.Series | None) -> str:
    """Percentage with its 95 % interval (Wilson)."""
    if values is None or values.empty:
        return ""
    low, high = wilson(int(values.sum()), len(values))
    return f"{100 * values.mean():.1f} [{100 * low:.0f}, {100 * high:.0f}]"


def _mean(values: pd.Series | None) -> str:
    """Mean with its 95 % interval (normal) and the number of samples."""
    if values is None or values.empty:
        return ""
    half = 1.96 * values.std() / math.sqrt(len(values))
    return f"{values.mean():.3f} ± {half:.3f} ({len(values)})"


if __name__ == "__main__":
    main()
