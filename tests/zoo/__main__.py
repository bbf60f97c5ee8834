"""``python -m tests.zoo``: judge every member and write the table of `docs/masking.md`.

``--full`` takes the default budget of a diagnosis instead of the zoo's smaller one. ``--out`` names the
folder of ``members.csv`` and ``about.json``; ``--only`` members by parts of their names. A member that stands there
already, judged by the same code, is not judged again.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import torch

from frontdef._version import __version__
from frontdef.checks import masking
from frontdef.checks.masking import Budget, diagnose

from . import ZOO, Member
from .lab import BUDGET, MOST, SAMPLES, THREAT, Lab

COLUMNS = (
    "member", "kind", "seen", "task", "seed", "verdict", "right", "allowed", "survived", "attacked", "looks", "beyond",
    "alarms", "forwards", "backwards", "code",
)  # fmt: skip

SAID = ("member", "kind", "verdict", "survived", "alarms")


def judge(member: Member, lab: Lab, code: str, budget: Budget) -> dict[str, object]:
    """A member's line of the table."""
    protected, there = member.protected(lab)
    diagnosis = diagnose(
        protected, there.test.images, there.test.labels, THREAT, first=SAMPLES, seed=lab.seed, budget=budget
    )
    beyond = {finding.name: finding.figure for finding in diagnosis.findings}.get("union")
    alarms = (f"{alarm.name}{'' if alarm.strength != 'hint' else ' (hint)'}" for alarm in diagnosis.alarms)
    return {
        "member": member.name, "kind": member.kind, "seen": member.seen, "task": member.task, "seed": lab.seed,
        "verdict": diagnosis.verdict, "right": diagnosis.verdict in member.right,
        "allowed": diagnosis.verdict in member.allowed,
        "survived": "" if diagnosis.n_survived is None else diagnosis.n_survived, "attacked": diagnosis.n_attacked,
        "looks": " ".join(map(str, diagnosis.looks)),
        "beyond": "" if beyond is None else f"{beyond:.3f}", "alarms": ", ".join(alarms),
        "forwards": round(diagnosis.cost.forward), "backwards": round(diagnosis.cost.backward), "code": code,
    }  # fmt: skip


def main() -> None:
    """Judge them, and write the table line by line."""
    asked = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    asked.add_argument("--out", type=Path, default=Path("benchmarks/results/zoo"), help="folder of the table")
    asked.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked.add_argument("--only", default="", help="members whose names have this in them")
    asked.add_argument("--full", action="store_true", help="the default budget of a diagnosis")
    words = asked.parse_args()
    budget = Budget() if words.full else BUDGET
    torch.set_num_threads(1)
    code = masking.code()
    words.out.mkdir(parents=True, exist_ok=True)
    table = words.out / "members.csv"
    before = list(csv.DictReader(table.open(encoding="utf-8", newline=""))) if table.exists() else []
    done = {(row["member"], row["seed"]): row for row in before if row["code"] == code}
    about = {
        "command": f"python -m tests.zoo{' --full' if words.full else ''}", "threat": str(THREAT), "first": SAMPLES,
        "most": MOST, "seeds": words.seeds,
        "budget": budget.model_dump(), "code": code, "versions": {"frontdef": __version__, "torch": torch.__version__},
    }  # fmt: skip
    (words.out / "about.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for seed in words.seeds:
        lab = Lab(seed)
        for member in ZOO:
            if words.only in member.name and (member.name, str(seed)) not in done:
                row = judge(member, lab, code, budget)
                done[member.name, str(seed)] = {key: str(value) for key, value in row.items()}
                print(
                    *(row[name] for name in ("member", "kind", "verdict", "survived", "alarms")), sep=", ", flush=True
                )
                _write(table, done, words.seeds)


def _write(table: Path, done: dict[tuple[str, str], dict[str, str]], seeds: list[int]) -> None:
    order = [(member.name, str(seed)) for seed in seeds for member in ZOO]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(done[key] for key in order if key in done)


if __name__ == "__main__":
    main()
