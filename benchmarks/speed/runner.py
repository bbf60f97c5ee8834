"""What does `frontdef run` add to an attack? A cell against the same library called by hand, on the same model object.

By hand means the library's own call, with the same parameters on the same images in one batch. A cell is all that the
runner does: it seeds the generators, copies and restores, attacks, scores every image and example again, and writes the
result to the run folder. PGD-40 with a random start, or FGSM, on the digits data set and `small-cnn`. A round runs each
once, in turn, and the overhead is that of one round; the first round is not counted. Times are processor time of one
thread, or on a GPU time between CUDA events.

    python benchmarks/speed/runner.py [--family pgd] [--samples 100] [--libraries native,torchattacks] [--rounds 10]
        [--device cpu]
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import foolbox
import numpy as np
import record
import torch
import torchattacks
from art.attacks.evasion import ProjectedGradientDescent
from efficiency import seconds
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

MATRIX = """
samples = {samples}
batch_size = {samples}
[[attack]]
family = "{family}"
eps = [{eps}]
parameters = {parameters}
"""

PARAMETERS = {"pgd": f"{{ steps = {STEPS}, relative_step = {STEP / EPS}, random_start = true }}", "fgsm": "{}"}
"""Family → what is asked for."""


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
    return attack.generate(x.cpu().numpy(), np.eye(10, dtype=np.float32)[y.cpu().numpy()])


def with_foolbox(model: Protected, x: Tensor, y: Tensor) -> object:
    """PGD of foolbox."""
    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=True)
    return attack(model.foolbox_model(), x, y, epsilons=EPS)


def fgsm_with_torchattacks(model: Protected, x: Tensor, y: Tensor) -> object:
    """Its FGSM."""
    return torchattacks.FGSM(model, eps=EPS)(x, y)


BY_HAND: Mapping[tuple[str, str], Callable[[Protected, Tensor, Tensor], object]] = {
    ("pgd", "native"): native,
    ("pgd", "torchattacks"): with_torchattacks,
    ("pgd", "art"): with_art,
    ("pgd", "foolbox"): with_foolbox,
    ("fgsm", "torchattacks"): fgsm_with_torchattacks,
}
"""Family and library → its own call."""


def overheads(
    cell: Cell, inventory: Inventory, store: Store, rounds: int
) -> tuple[list[float], list[float], list[float]]:
    """Seconds by hand and in a cell, and the share by which the cell takes longer, of each round."""
    by_hand, in_cell = [], []
    model, split = inventory.model(cell.models[0]), inventory.split("digits")
    x, y = split.images.to(model.device), split.labels.to(model.device)
    call = BY_HAND[cell.spec.family.name, cell.library]
    for index in range(rounds + 1):
        hand = seconds(lambda: call(model, x, y), x.device.type)
        runner = seconds(lambda: inventory.attempt(cell, store), x.device.type)
        if index:
            by_hand.append(hand)
            in_cell.append(runner)
    return by_hand, in_cell, [runner / hand - 1 for hand, runner in zip(by_hand, in_cell, strict=True)]


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="pgd", choices=PARAMETERS)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--libraries", default="torchattacks", help="which, separated by commas")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked = {"eps": EPS, "family": options.family, "parameters": PARAMETERS[options.family]}
    plan = make_plan(parse_matrix(MATRIX.format(samples=options.samples, **asked)))
    inventory = Inventory(plan.samples, Means(device=options.device))
    print(
        f"{options.family}, ε={EPS}, digits, small-cnn, {options.samples} samples, {options.rounds} rounds, 1 thread\n"
    )
    print("| library | by hand [s] | a cell [s] | the runner adds: median (least to most) |")
    print("| --- | ---: | ---: | ---: |")
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for cell in plan.of("records"):
            if cell.library not in options.libraries.split(","):
                continue
            hand, runner, more = (record.spread(values) for values in overheads(cell, inventory, store, options.rounds))
            shares = [f"{100 * more[end]:.1f} %" for end in ("median", "least", "most")]
            print(
                f"| {cell.library} | {hand['median']:.3f} | {runner['median']:.3f} | {shares[0]} ({shares[1]} to "
                f"{shares[2]}) |",
                flush=True,
            )
            row = {"family": options.family, "library": cell.library, "samples": options.samples}
            figures.append({**row, "rounds": options.rounds, "hand": hand, "cell": runner, "more": more})
    if options.json:
        record.write(options.json, figures, ("torch", "torchattacks"))


if __name__ == "__main__":
    main()
