"""The adaptive search on the zoo's liars: what PGD, the cascade and the search leave, what it cost, and who won.

    python benchmarks/adaptive.py [--samples 64] [--seed 0] [--only NAME] [--kind liar]   (from the repository's root)

PGD has 40 steps and one random start through the front end's own gradient. Passes are forward and backward ones, the
mean a sample. Every example is judged over 16 fresh draws where the model draws.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from frontdef.attacks.guard import isolated
from frontdef.attacks.native.adaptive import adaptive
from frontdef.attacks.native.cascade import cascade
from frontdef.attacks.native.pgd import pgd
from frontdef.matrix.verify import score
from frontdef.protected import Protected
from tests.zoo import ZOO
from tests.zoo.lab import THREAT, Lab

JUDGE, DRAWS = 16, 4


def main() -> None:
    """Print a line a member."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--samples", type=int, default=64)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", default="")
    asked.add_argument("--kind", default="liar")
    words = asked.parse_args()
    torch.set_num_threads(1)
    lab = Lab(words.seed)
    print(f"samples {words.samples}, ε {THREAT.eps} in {THREAT.norm}, seed {words.seed}")
    print(f"{'member':32} {'clean':>6} {'PGD':>5} {'cascade':>8} {'passes':>7} {'adaptive':>9} {'passes':>7}  winner")
    for member in ZOO:
        if member.kind == words.kind and words.only in member.name:
            try:
                print(line(member.name, *member.protected(lab), words.samples, words.seed), flush=True)
            except (RuntimeError, ValueError) as error:  # models that raise are a kind of liar
                print(f"{member.name:32} raises: {str(error)[:80]}", flush=True)


def line(name: str, model: Protected, there: Lab, samples: int, seed: int) -> str:
    """Attack one member in the three ways."""
    x, y = there.test.images[:samples], there.test.labels[:samples]
    view = model.eot(DRAWS, average="probabilities") if model.front_end.randomized else model

    def left(examples: Tensor) -> int:
        return int(((score(model, examples, y, draws=JUDGE, seed=seed + 1).predictions == y) & right).sum())

    right = score(model, x, y, draws=JUDGE, seed=seed + 1).predictions == y
    with isolated(model, seed):
        by_pgd = pgd(view, x, y, threat=THREAT, steps=40, step_size=THREAT.eps / 10, random_start=True)
    figures, winner = [], None
    for attack in (cascade, adaptive):
        with isolated(model, seed):
            model.passes.forward = model.passes.backward = 0
            outcome = attack(view, x, y, threat=THREAT)  # type: ignore[operator]
            spent = (model.passes.forward + model.passes.backward) / samples
        figures += [left(outcome.examples), round(spent)]
        winner = getattr(outcome, "winner", None)
    first, cost, second, search = figures
    return f"{name:32} {int(right.sum()):6} {left(by_pgd):5} {first:8} {cost:7} {second:9} {search:7}  {winner}"


if __name__ == "__main__":
    main()
