"""What a run said, small enough to keep: pages of the docs are made of it (docs/summaries.py).

python benchmarks/summarize.py runs/models benchmarks/results/models
python benchmarks/summarize.py runs/sparsenet benchmarks/papers/results/sparsenet
"""

from __future__ import annotations

import argparse
from pathlib import Path

import summary

from frontdef.runs.results import load_results


def main() -> None:
    """Write ``about.json`` and a CSV file for each table of the run's summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    results = load_results(arguments.run)
    summary.write(arguments.out, summary.about(results), results.summary())


if __name__ == "__main__":
    main()
