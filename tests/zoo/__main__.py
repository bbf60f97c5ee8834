"""``python -m tests.zoo [SEED…]``: judge every member and print the confusion table, as Markdown."""

from __future__ import annotations

import sys
from collections import Counter

import torch

from frontdef._version import __version__
from frontdef.checks.masking import diagnose

from . import ZOO, Member
from .lab import SAMPLES, THREAT, Lab

VERDICTS = ("trusted", "suspicious", "masked", "invalid")


def judge(member: Member, lab: Lab) -> str:
    """Print a member's line of the table and return the verdict."""
    protected = member.build(lab)
    diagnosis = diagnose(protected, lab.test.images, lab.test.labels, THREAT, seed=lab.seed)
    cells = (
        member.name,
        member.kind,
        "yes" if member.seen else "no",
        "—" if diagnosis.n_survived is None else f"{diagnosis.n_survived} of {diagnosis.n_attacked}",
        f"{diagnosis.verdict} {'✓' if diagnosis.verdict in member.allowed else '✗'}",
        ", ".join(alarm.name + ("" if alarm.strength != "hint" else " (hint)") for alarm in diagnosis.alarms) or "—",
        f"{diagnosis.cost.forward:.0f} + {diagnosis.cost.backward:.0f}",
    )
    print(f"| {' | '.join(cells)} |", flush=True)
    return diagnosis.verdict


def main(seeds: list[int]) -> None:
    """Print a table a seed with one line a member, then the confusion table of all."""
    torch.set_num_threads(1)
    counts: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        lab = Lab(seed)
        print(f"frontdef {__version__}, torch {torch.__version__}; {SAMPLES} digits, {THREAT}, seed {seed}\n")
        print("| member | is | seen | survive PGD | verdict | alarms | passes |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        counts.update((member.kind, judge(member, lab)) for member in ZOO)
        print()
    print("| | " + " | ".join(VERDICTS) + " |\n| --- |" + " --- |" * len(VERDICTS))
    for kind in ("liar", "honest"):
        print(f"| {kind} | " + " | ".join(str(counts[kind, verdict]) for verdict in VERDICTS) + " |")


if __name__ == "__main__":
    main([int(given) for given in sys.argv[1:]] or [0])
