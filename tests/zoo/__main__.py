"""``python -m tests.zoo [--seen]``: judge every member and print the confusion table, as Markdown."""

from __future__ import annotations

import sys
import time

import torch

from frontdef._version import __version__
from frontdef.masking import diagnose

from . import ZOO, Member
from .lab import SAMPLES, SEED, THREAT, Lab


def row(member: Member, lab: Lab) -> tuple[str, str]:
    """The verdict on a member, and its line of the table."""
    started = time.process_time()
    found = diagnose(member.build(lab), lab.test.images, lab.test.labels, THREAT, seed=SEED)
    seconds = time.process_time() - started
    alarms = ", ".join(one.name for one in found.alarms) or "—"
    right = "✓" if found.verdict in member.allowed else "✗"
    seen = "yes" if member.seen else "no"
    survived = "—" if found.n_survived is None else f"{found.n_survived}/{found.n}"
    line = (
        f"| {member.name} | {member.kind} | {seen} | {survived} | {found.verdict} {right} | {alarms} | {seconds:.1f} |"
    )
    return found.verdict, line


def main() -> None:
    """Print one line a member, then the confusion table."""
    torch.set_num_threads(1)
    lab = Lab()
    counts: dict[tuple[str, str], int] = {}
    print(f"frontdef {__version__}, torch {torch.__version__}; {SAMPLES} digits, {THREAT}, seed {SEED}\n")
    print("| member | is | seen | survive PGD | verdict | alarms | CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for member in ZOO:
        if "--seen" in sys.argv and not member.seen:
            continue
        verdict, line = row(member, lab)
        counts[member.kind, verdict] = counts.get((member.kind, verdict), 0) + 1
        print(line, flush=True)
    verdicts = ("trusted", "suspicious", "masked", "invalid")
    print("\n| | " + " | ".join(verdicts) + " |\n| --- |" + " --- |" * len(verdicts))
    for kind in ("liar", "honest"):
        print(f"| {kind} | " + " | ".join(str(counts.get((kind, verdict), 0)) for verdict in verdicts) + " |")


if __name__ == "__main__":
    main()
