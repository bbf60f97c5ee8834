"""What does `frontdef run` add to an attack? A cell against the same library called by hand, on the same model object.

By hand means the library's own call, with the same parameters on the same images in one batch. A cell is all that the
runner does: it seeds the generators, copies and restores, attacks, scores every image and example again, and writes the
result to the run folder. PGD-40 with a random start on the digits data set and `small-cnn`. A round runs each once, in
turn, and the overhead is that of one round; the first round is not counted. Times are processor time of one thread.

    python benchmarks/speed/runner.py [--samples 100] [--libraries native,torchattacks] [--rounds 7]
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import foolbox
import numpy as np
import torch
import torchattacks
from art.attacks.evasion import ProjectedGradientDescent
from torch import Tensor

from frontdef.attacks.native.pgd import pgd
from frontdef.matrix.attack import Cell
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.models.load import Means
from frontdef.protected import Protected
from frontdef.runs.inventory import Inventory
from frontdef.runs.store import Store
from frontdef.threat import ThreatModel

EPS, STEP, STEPS = 0.1, 0.01, 40

MATRIX = f"""
samples = {{samples}}
batch_size = {{samples}}
[[attack]]
family = "pgd"
eps = [{EPS}]
parameters = {{{{ steps = {STEPS}, relative_step = {STEP / EPS}, random_start = true }}}}
"""


def native(model: Protected, x: Tensor, y: Tensor) -> object:
    """Native PGD."""
    return pgd(model, x, y, threat=ThreatModel("linf", EPS), steps=STEPS, step_size=STEP, random_start=True)


def with_torchattacks(model: Protected, x: Tensor, y: Tensor) -> object:
    """Its PGD."""
    return torchattacks.PGD(model, eps=EPS, alpha=STEP, steps=STEPS, random_start=True)(x, y)


def with_art(model: Protected, x: Tensor, y: Tensor) -> object:
    """ART's PGD, which also takes arrays only."""
    attack = ProjectedGradientDescent(
        model.art_classifier(), norm=math.inf, eps=EPS, eps_step=STEP, max_iter=STEPS, num_random_init=1,
        batch_size=len(x), verbose=False,
    )  # fmt: skip
    return attack.generate(x.numpy(), np.eye(10, dtype=np.float32)[y.numpy()])


def with_foolbox(model: Protected, x: Tensor, y: Tensor) -> object:
    """PGD of foolbox."""
    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=True)
    return attack(model.foolbox_model(), x, y, epsilons=EPS)


BY_HAND: Mapping[str, Callable[[Protected, Tensor, Tensor], object]] = {
    "native": native,
    "torchattacks": with_torchattacks,
    "art": with_art,
    "foolbox": with_foolbox,
}


def spent(run: Callable[[], object]) -> float:
    """Processor seconds."""
    start = time.process_time()
    run()
    return time.process_time() - start


def overheads(cell: Cell, inventory: Inventory, store: Store, rounds: int) -> tuple[float, list[float]]:
    """Median seconds by hand, and the share by which a cell takes longer, of each round."""
    by_hand, more = [], []
    model, split = inventory.model(cell.models[0]), inventory.split("digits")
    call = BY_HAND[cell.library]
    for index in range(rounds + 1):
        hand = spent(lambda: call(model, split.images, split.labels))
        runner = spent(lambda: inventory.attempt(cell, store))
        if index:
            by_hand.append(hand)
            more.append(runner / hand - 1)
    return statistics.median(by_hand), more


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--libraries", default=",".join(BY_HAND), help="which, separated by commas")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = make_plan(parse_matrix(MATRIX.format(samples=options.samples)))
    inventory = Inventory(plan.samples, Means())
    print(f"PGD-{STEPS}, ε={EPS}, digits, small-cnn, {options.samples} samples, {options.rounds} rounds, 1 thread\n")
    print("| library | by hand [s] | the runner adds: median (least to most) |")
    print("| --- | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for cell in plan.of("records"):
            if cell.library not in options.libraries.split(","):
                continue
            seconds, more = overheads(cell, inventory, store, options.rounds)
            shares = [f"{100 * value:.1f} %" for value in (statistics.median(more), min(more), max(more))]
            print(f"| {cell.library} | {seconds:.2f} | {shares[0]} ({shares[1]} to {shares[2]}) |", flush=True)


if __name__ == "__main__":
    main()
