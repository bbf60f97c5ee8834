"""What a run said, small enough to keep: pages of the docs are made of it (docs/summaries.py).

python benchmarks/summarize.py runs/models benchmarks/results/models
python benchmarks/summarize.py runs/sparsenet benchmarks/papers/results/sparsenet
"""

from __future__ import annotations

import summary


def main() -> None:
    """Write ``about.json`` and a CSV file for each table of the run's summary."""
    results, out = summary.asked(__doc__)
    summary.write(out, summary.about(results), results.summary())


if __name__ == "__main__":
    main()
