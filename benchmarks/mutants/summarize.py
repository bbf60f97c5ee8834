"""The tables of docs/mutants.md from what `run.py` wrote, without the libraries' own text; `argued.csv` is by hand.

python benchmarks/mutants/summarize.py OUT.jsonl [OUT.jsonl ...] benchmarks/results/mutants --seed 0 --per-module 8
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.mutants.subjects import SUBJECTS

TOLD = ("id", "library", "module", "line", "kind", "change", "rows", "changed", "noticed")


def main() -> None:
    """Write mutants.csv and about.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("told", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--per-module", type=int, required=True)
    arguments = parser.parse_args()
    *files, out = arguments.told
    mutants = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "mutants.csv", TOLD, ({**mutant, "rows": " ".join(mutant["rows"])} for mutant in mutants))
    about = {
        "command": f"python benchmarks/mutants/run.py OUT.jsonl --per-module {arguments.per_module}",
        "seed": arguments.seed,
        "mutants": len(mutants),
        "reached": sum({mutant["module"]: mutant["reached"] for mutant in mutants}.values()),
        "modules": len(Counter(mutant["module"] for mutant in mutants)),
        "subjects": sum(map(len, SUBJECTS.values())),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("adversarial-robustness-toolbox", "torchattacks", "foolbox", "adv-lib", "torch")
        },
    }
    (out / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _write(path: Path, titles: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, titles, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
