"""What a run proved and whether it stood: certified samples by defense and threat model, and those that fell.

python benchmarks/certified.py runs/certified
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.table import Table

from frontdef.runs.results import load_results
from frontdef.threat import NORM_LABELS, format_eps
from frontdef.verdicts.bracket import brackets


def main() -> None:
    """Print a row a defense and threat model; exit code 1 where a certified sample fell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a run of benchmarks/certified.toml")
    results = load_results(parser.parse_args().run)
    certified, outcomes = results.certified(), results.outcomes()
    libraries = outcomes.groupby("defense")["library"].unique()
    table = Table("defense", "threat", "samples", "certified", "worst case", "broken, though certified")
    fallen = 0
    for bracket in brackets(outcomes, certified):
        threat = f"{NORM_LABELS[bracket.norm]} {format_eps(bracket.eps)}"
        proved = round(bracket.certified * bracket.n)
        fallen += len(bracket.violations)
        table.add_row(
            bracket.defense,
            threat,
            str(bracket.n),
            str(proved),
            f"{bracket.worst_case:.1%}",
            str(len(bracket.violations)),
        )
    console = Console()
    console.print(table)
    proved = certified[certified["certified"]]
    samples = len(proved[["defense", "sample_id"]].drop_duplicates())
    attacks = outcomes.groupby(["family", "norm", "library"]).ngroups
    console.print(
        f"{samples} certified samples ({len(proved)} with each radius), {attacks} attacks of "
        f"{len({name for names in libraries for name in names})} libraries, {fallen} fell"
    )
    sys.exit(1 if fallen else 0)


if __name__ == "__main__":
    main()
