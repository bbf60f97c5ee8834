"""What do ART's preprocessors cost an attack? Each front end of frontdef-art beside no front end.

Measured: one forward pass of the front end alone, in milliseconds an image; and one step of a gradient attack (forward
and backward through front end and `small-cnn`), as a multiple of the same step without a front end. Then the same
thermometer code as ART computes it when it is handed ``(N,C,H,W)``, a Python call a pixel. Every round runs each
contender once, in turn, so that a slow moment of the machine hits all; figures are medians, in processor time of one
thread.

    python benchmarks/speed/art_preprocessors.py [--images 32] [--rounds 5]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from art.defences.preprocessor import ThermometerEncoding
from frontdef_art.table import DEFENSES

from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.protected import Protected
from frontdef.registry import get_classifier

SHAPES = ((1, 28, 28), (3, 32, 32))

Contenders = Mapping[str, Callable[[], object]]


def medians(contenders: Contenders, rounds: int) -> dict[str, float]:
    """Median processor time of each contender in milliseconds, from interleaved rounds after a first unmeasured one."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for index in range(rounds + 1):
        for name, run in contenders.items():
            start = time.process_time_ns()
            run()
            if index:
                times[name].append((time.process_time_ns() - start) / 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def attack_step(protected: Protected, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The gradient of the loss, as each step of an attack needs it."""
    inputs = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(protected(inputs), y), inputs)
    return gradient


def contenders(x: torch.Tensor) -> tuple[Contenders, Contenders]:
    """Forward passes and attack steps, by the front end's name and surrogate."""
    front_ends = {"none": Identity(Config())} | {
        f"{defense.name} ({surrogate.name})": defense.build({}, surrogate=surrogate.name)
        for defense in DEFENSES
        for surrogate in defense.front_end_class().surrogates
    }
    forward: dict[str, Callable[[], object]] = {}
    steps: dict[str, Callable[[], object]] = {}
    y = torch.arange(len(x)) % 10
    for name, front_end in front_ends.items():
        classifier = get_classifier("small-cnn").build(tuple(front_end(x[:1]).shape[1:]), 10)
        protected = Protected(front_end, classifier, image_shape=tuple(x.shape[1:]))
        forward[name] = partial(front_end, x)
        steps[name] = partial(attack_step, protected, x, y)
    thermometer = ThermometerEncoding(clip_values=(0, 1), channels_first=True)
    forward["ThermometerEncoding on (N,C,H,W)"] = partial(thermometer, x.numpy().copy())
    return forward, steps


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=32, help="images a batch")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    columns: dict[str, list[str]] = {}
    for shape in SHAPES:
        x = torch.rand(arguments.images, *shape, generator=torch.Generator().manual_seed(0))
        forward, steps = contenders(x)
        cost, ratio = medians(forward, arguments.rounds), medians(steps, arguments.rounds)
        for name in forward:
            step = f"{ratio[name] / ratio['none']:.2f}×" if name in ratio else "-"
            columns.setdefault(name, []).extend([f"{cost[name] / arguments.images:.3f}", step])
        columns["none"][-1] = f"{ratio['none'] / arguments.images:.2f} ms"
    sizes = ["×".join(map(str, shape)) for shape in SHAPES]
    print(f"torch {torch.__version__}, numpy {np.__version__}, {platform.machine()}, batches of {arguments.images}\n")
    print("| defense (surrogate) | " + " | ".join(f"{size}: ms an image | attack step" for size in sizes) + " |")
    print("| --- |" + " ---: |" * (2 * len(SHAPES)))
    for name, cells in columns.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
