"""``python -m tests.faults [GROUP…] [--seed N]``: the campaign that `docs/reliability.md` tells of."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from frontdef._version import __version__
from frontdef.runs.versions import versions

from . import bits, disks, kills, workers
from .lab import Lab
from .tally import Tally

RESULTS = Path("benchmarks/results/reliability")

Kind = Callable[[Lab, random.Random, int], Tally | list[Tally]]

GROUPS: dict[str, dict[Kind, int]] = {
    "writes": {kills.at_every_write: 1000},
    "times": {kills.at_any_time: 50, kills.two_runners: 16, kills.interrupts: 20, kills.clocks: 8},
    "workers": {workers.killed_with_their_driver: 4},
    "disks": {disks.at_every_write: 20, disks.real: 10},
    "bits": {bits.flips: 50},
}
"""Kinds of faults, with how many trials of each at most; of bits in each kind of file. A group is a file of results."""


def campaign(lab: Lab, group: str, seed: int) -> Iterator[Tally]:
    """Every kind of fault of a group; each draws from the seed by itself.

    Args:
        lab: The run.
        group: Which.
        seed: Of places and times.
    """
    for kind, count in GROUPS[group].items():
        tallies = kind(lab, random.Random(f"{seed} {kind.__module__} {kind.__name__}"), count)
        yield from tallies if isinstance(tallies, list) else [tallies]


def main() -> None:
    """Print a line a kind of fault, write them all, and end with 1 where anything was lost or silent."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS], help="all, where none is named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--share", default="1/1", metavar="I/N", help="of the kills at every write, each N-th")
    asked = parser.parse_args()
    index, count = (int(number) for number in asked.share.split("/"))
    torch.set_num_threads(1)
    wrong = False
    for group in asked.groups or GROUPS:
        started, tallies = time.monotonic(), []
        with (
            tempfile.TemporaryDirectory(prefix="frontdef-faults-") as folder,
            Lab(Path(folder), (index - 1, count)) as lab,
        ):
            for tally in campaign(lab, group, asked.seed):
                tallies.append(asdict(tally) | {"failed": tally.failed})
                print(f"{tally.fault}: {tally.trials} trials, {tally.hit} hit, {tally.failed} failed", flush=True)
                for what in tally.wrong:
                    print(f"  {what}", flush=True)
        part = "" if count == 1 else f" --share {asked.share}"
        said = {
            "command": f"python -m tests.faults {group} --seed {asked.seed}{part}",
            "faults": tallies,
            "frontdef": __version__,
            "seconds": round(time.monotonic() - started),
            "seed": asked.seed,
            "versions": versions(),
        }
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / f"{group}{part and f'-{index}'}.json").write_text(
            json.dumps(said, indent=1, sort_keys=True) + "\n"
        )
        wrong |= any(tally["wrong"] for tally in tallies)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
