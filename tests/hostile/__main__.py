"""``python -m tests.hostile [N] [--seed S] [--only WORD]``: N spoiled inputs for every reader."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from frontdef._version import __version__
from frontdef.runs.versions import versions

from .fuzz import fuzz
from .parsers import PARSERS

RESULTS = Path("benchmarks/results/reliability/hostile.json")


def main() -> None:
    """Print a line a reader, write them all, and end with 1 where one raised what is not ours, died or hung."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("inputs", nargs="?", type=int, default=10_000, help="for every reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="readers whose name has this in it; the others keep their figures")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    before = json.loads(asked.out.read_text())["readers"] if asked.out.exists() and asked.only else {}
    readers, started = dict(before), time.monotonic()
    for name in PARSERS:
        if asked.only not in name:
            continue
        tally = fuzz(name, asked.inputs, asked.seed)
        readers[name] = asdict(tally)
        print(f"{name}: {tally.inputs} inputs, {tally.refused} refused, {len(tally.wrong)} wrong", flush=True)
        for what in tally.wrong[:10]:
            print(f"  {what}", flush=True)
    said = {
        "command": f"python -m tests.hostile {asked.inputs} --seed {asked.seed}",
        "frontdef": __version__,
        "readers": {name: readers[name] for name in PARSERS if name in readers},
        "seconds": round(time.monotonic() - started),
        "seed": asked.seed,
        "versions": versions(),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
    sys.exit(any(reader["wrong"] for reader in readers.values()))


if __name__ == "__main__":
    main()
