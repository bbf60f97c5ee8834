"""PGD with restarts on the small CNN: native's fast mode against torchattacks, ART and foolbox, each in its best way.

Three models: undefended, wavelet, PGD-trained (Madry et al. 2018); trained on first use and kept in the cache of models
(`FRONTDEF_CACHE`), the last one for about a quarter of an hour. On MNIST where ``FRONTDEF_DATA`` has it (ε = 0.3, as in
the papers on MNIST; the wavelet paper's is 0.2), on digits otherwise. Every library gets the same model object, images,
ε, step size ε/10, steps and restarts, in one batch: torchattacks as `MultiAttack` of PGDs, ART with `num_random_init`,
foolbox with `repeat`. A round runs all of them, in turn; a ratio is that of one round. Times are processor time of one
thread, so that other work on the machine counts little.

The papers take 20 restarts. The default here is a reduction; ``--samples 500 --restarts 20`` is the full size.

    python benchmarks/speed/attacks.py [--models undefended,wavelet,trained] [--libraries torchattacks,art,foolbox]
                                       [--samples 32] [--steps 100] [--restarts 2] [--rounds 5] [--quick]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import foolbox
import numpy as np
import torch
import torchattacks
from art.attacks.evasion import ProjectedGradientDescent
from torch import Tensor

from frontdef.attacks.native import fast
from frontdef.attacks.native.pgd import pgd
from frontdef.datasets import Split
from frontdef.models.cache import ModelCache
from frontdef.models.recipes import default_recipe
from frontdef.models.request import ModelRequest
from frontdef.protected import Protected
from frontdef.registry import get_dataset, get_defense
from frontdef.stage import Stage
from frontdef.threat import ThreatModel

ADVERSARIAL = {
    "mnist": (
        Stage(epochs=1, lr=1e-3, batch_size=50),
        Stage(epochs=2, lr=1e-3, batch_size=50, adversarial="linf", eps=0.15, attack_steps=5),
        Stage(epochs=8, lr=1e-3, final_lr=1e-4, batch_size=50, adversarial="linf", eps=0.3, attack_steps=5),
    ),
    "digits": (
        Stage(epochs=4, lr=1e-3, batch_size=50),
        Stage(epochs=8, lr=1e-3, final_lr=1e-4, batch_size=50, adversarial="linf", eps=0.2, attack_steps=5),
    ),
}
"""Data set → recipe of the PGD-trained model; ε is approached, because training on 0.3 at once does not get going."""

IMAGES = {"mnist": 12_000, "digits": None}
"""Data set → training images of each model; None takes all."""

EPS = {"mnist": 0.3, "digits": 0.2}
MODELS = {"undefended": "none", "wavelet": "wavelet", "trained": "none"}


@dataclass(frozen=True)
class Budget:
    """What every library is asked for."""

    eps: float
    steps: int
    restarts: int

    @property
    def step_size(self) -> float:
        """As in the papers."""
        return self.eps / 10


def native(model: Protected, x: Tensor, y: Tensor, budget: Budget) -> Tensor:
    """Fast mode."""
    return pgd(
        model, x, y, threat=ThreatModel("linf", budget.eps), steps=budget.steps, step_size=budget.step_size,
        random_start=True, restarts=budget.restarts, mode="fast",
    )  # fmt: skip


def with_torchattacks(model: Protected, x: Tensor, y: Tensor, budget: Budget) -> Tensor:
    """`MultiAttack` gives each run the samples that still stand."""
    attack = torchattacks.PGD(model, eps=budget.eps, alpha=budget.step_size, steps=budget.steps, random_start=True)
    return torchattacks.MultiAttack([attack] * budget.restarts)(x, y)


def with_art(model: Protected, x: Tensor, y: Tensor, budget: Budget) -> Tensor:
    """Every run gets every sample."""
    attack = ProjectedGradientDescent(
        model.art_classifier(), eps=budget.eps, eps_step=budget.step_size, max_iter=budget.steps,
        num_random_init=budget.restarts, batch_size=len(x), verbose=False,
    )  # fmt: skip
    return torch.from_numpy(attack.generate(x.numpy(), np.eye(10, dtype=np.float32)[y.numpy()]))


def with_foolbox(model: Protected, x: Tensor, y: Tensor, budget: Budget) -> Tensor:
    """Every run gets every sample."""
    attack = foolbox.attacks.LinfPGD(abs_stepsize=budget.step_size, steps=budget.steps, random_start=True)
    return attack.repeat(budget.restarts)(model.foolbox_model(), x, y, epsilons=budget.eps)[1]


CONTENDERS: Mapping[str, Callable[[Protected, Tensor, Tensor, Budget], Tensor]] = {
    "torchattacks": with_torchattacks,
    "art": with_art,
    "foolbox": with_foolbox,
}


def request(name: str, dataset: str) -> ModelRequest:
    """Which model of the cache."""
    config = get_defense(MODELS[name]).configure({}).model_dump(mode="json")
    recipe = ADVERSARIAL[dataset] if name == "trained" else default_recipe(dataset)
    return ModelRequest(dataset, "small-cnn", MODELS[name], config, recipe, IMAGES[dataset], 0)


def load(name: str, dataset: str) -> Protected:
    """A model of the cache, trained where it is not there yet."""
    trained = ModelCache().get_or_train(
        request(name, dataset),
        progress=lambda epoch, epochs, *_: print(f"training {name}: epoch {epoch} of {epochs}", flush=True),
    )
    return Protected(trained.front_end, trained.classifier, image_shape=get_dataset(dataset).image_shape)


def measure(model: Protected, split: Split, budget: Budget, libraries: list[str], rounds: int) -> None:
    """Print a table: passes, accuracy, and how much longer than native each library takes."""
    x, y = split.images, split.labels
    contenders = {"native": native} | {name: CONTENDERS[name] for name in libraries}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    standing: dict[str, list[float]] = {name: [] for name in contenders}
    passes = {}
    for index in range(rounds):
        for name, run in contenders.items():
            torch.manual_seed(index)
            np.random.seed(index)
            model.passes.forward = model.passes.backward = 0
            start = time.process_time()
            examples = run(model, x, y, budget)
            seconds[name].append(time.process_time() - start)
            passes[name] = (model.passes.forward / len(x), model.passes.backward / len(x))
            standing[name].append(float((model.predict(examples.clamp(0, 1)).argmax(1) == y).float().mean()))
    print("| library | time [s] | × native: median (least to most) | passes a sample, F / B | robust accuracy |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in contenders:
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["native"], strict=True)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        spent = "{:.0f} / {:.0f}".format(*passes[name])
        accuracy = f"{100 * statistics.mean(standing[name]):.1f} %"
        print(f"| {name} | {statistics.median(seconds[name]):.2f} | {ratio} | {spent} | {accuracy} |")
    best = [min(seconds[name][i] for name in libraries) for i in range(rounds)]
    ratios = [theirs / ours for theirs, ours in zip(best, seconds["native"], strict=True)]
    print(
        f"\nbest of the others over native: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def share(model: Protected, split: Split, budget: Budget) -> float:
    """Share of native's time that is forward and backward passes."""
    look, inside = fast.look, 0.0

    def watched(*arguments: Any) -> tuple[Tensor, Tensor]:
        nonlocal inside
        start = time.process_time()
        result = look(*arguments)
        inside += time.process_time() - start
        return result

    fast.look = watched
    try:
        start = time.process_time()
        native(model, split.images, split.labels, budget)
        return inside / (time.process_time() - start)
    finally:
        fast.look = look


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="which, separated by commas")
    parser.add_argument("--libraries", default=",".join(CONTENDERS), help="against which, separated by commas")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="times that each library is run, in turn")
    parser.add_argument("--quick", action="store_true", help="16 samples, 20 steps, 2 rounds: does it run?")
    options = parser.parse_args()
    if options.quick:
        options.samples, options.steps, options.rounds = 16, 20, 2
    torch.set_num_threads(1)
    dataset = "mnist" if os.environ.get("FRONTDEF_DATA") else "digits"
    budget = Budget(EPS[dataset], options.steps, options.restarts)
    split = get_dataset(dataset).load("test").take(options.samples, 0)
    names = ("torch", "adversarial-robustness-toolbox", "torchattacks", "foolbox")
    print(", ".join(f"{name} {version(name)}" for name in names), platform.machine())
    print(
        f"{dataset}, small-cnn, {options.samples} samples in one batch, PGD ℓ∞ ε={budget.eps}, {options.restarts} "
        f"restarts of {options.steps} steps, {options.rounds} rounds, 1 thread"
    )
    for name in options.models.split(","):
        model = load(name, dataset)
        clean = float((model.predict(split.images).argmax(1) == split.labels).float().mean())
        print(f"\n{name}: clean accuracy {100 * clean:.1f} %\n", flush=True)
        measure(model, split, budget, options.libraries.split(","), options.rounds)
        print(f"native's time in forward and backward passes: {100 * share(model, split, budget):.1f} %", flush=True)


if __name__ == "__main__":
    main()
