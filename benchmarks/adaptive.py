"""The adaptive search on the zoo's liars: what PGD, the cascade and the search leave, what it cost, and who won.

    python benchmarks/adaptive.py [--samples 64] [--seed 0] [--only NAME] [--kind liar] [--out FOLDER]

(from the repository's root)

PGD has 40 steps and one random start through the front end's own gradient. Passes are forward and backward ones, the
mean a sample. Every example is judged over 16 fresh draws where the model draws.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
from pathlib import Path

import torch
from torch import Tensor

from frontdef.attacks.guard import isolated
from frontdef.attacks.native.adaptive import adaptive
from frontdef.attacks.native.cascade import cascade
from frontdef.attacks.native.pgd import pgd
from frontdef.code import version_of
from frontdef.matrix.verify import score
from frontdef.protected import Protected
from tests.zoo import ZOO
from tests.zoo.lab import THREAT, Lab

JUDGE, DRAWS = 16, 4
COLUMNS = ("member", "right", "pgd", "cascade", "cascade passes", "adaptive", "adaptive passes", "winner")


def main() -> None:
    """Print a line a member."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--samples", type=int, default=64)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", default="")
    asked.add_argument("--kind", default="liar")
    asked.add_argument(
        "--out", type=Path, help="folder of rows.csv and about.json; docs/attacks/cascade.md is made of it"
    )
    words = asked.parse_args()
    torch.set_num_threads(1)
    lab = Lab(words.seed)
    print(*COLUMNS, sep=", ")
    rows = []
    for member in ZOO:
        if member.kind == words.kind and words.only in member.name:
            try:
                row = attacked(*member.protected(lab), words.samples, words.seed)
            except (RuntimeError, ValueError) as error:  # models that raise are a kind of liar
                row = {"winner": f"raises: {str(error)[:60]}"}
            rows.append({"member": member.name, **row})
            print(*(rows[-1].get(name, "") for name in COLUMNS), sep=", ", flush=True)
    if words.out:
        write(words.out, rows, sys.argv[1:])


def attacked(model: Protected, there: Lab, samples: int, seed: int) -> dict[str, object]:
    """What the three attacks leave of one member."""
    x, y = there.test.images[:samples], there.test.labels[:samples]
    view = model.eot(DRAWS, average="probabilities") if model.front_end.randomized else model

    def left(examples: Tensor) -> int:
        return int(((score(model, examples, y, draws=JUDGE, seed=seed + 1).predictions == y) & right).sum())

    right = score(model, x, y, draws=JUDGE, seed=seed + 1).predictions == y
    with isolated(model, seed):
        by_pgd = pgd(view, x, y, threat=THREAT, steps=40, step_size=THREAT.eps / 10, random_start=True)
    figures: dict[str, object] = {"right": int(right.sum()), "pgd": left(by_pgd)}
    for attack in (cascade, adaptive):
        with isolated(model, seed):
            model.passes.forward = model.passes.backward = 0
            outcome = attack(view, x, y, threat=THREAT)  # type: ignore[operator]
            spent = (model.passes.forward + model.passes.backward) / samples
        name = attack.__name__
        figures |= {name: left(outcome.examples), f"{name} passes": round(spent)}
    return figures | {"winner": str(outcome.winner)}


def write(out: Path, rows: list[dict[str, object]], arguments: list[str]) -> None:
    """Write the table and what it was made with."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    about = {
        "command": shlex.join(["python", f"benchmarks/{Path(__file__).name}", *arguments]),
        "threat": str(THREAT),
        "versions": {name: version_of(name) for name in ("frontdef", "torch")},
    }
    (out / "about.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
