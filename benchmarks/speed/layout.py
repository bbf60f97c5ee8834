"""What channels-last weights gain: a forward and a backward pass in either layout, in turn.

A pass of an attack needs the gradient of the images, in eval mode; one of a training that of the weights, in training
mode. Of front ends that convolve the pass of an attack alone is measured, without what stands behind them. Weights are
drawn: the time of a pass does not depend on them. Processor time of one thread.

    python benchmarks/speed/layout.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import record
import torch
from efficiency import gradient, seconds
from torch import nn
from torch.nn import functional as F

from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.heap import keep_freed
from frontdef.protected import Protected
from frontdef.registry import get_classifier, get_defense

NETWORKS = {
    "small-cnn": (1, 8, 8),
    "cnn4": (1, 28, 28),
    "resnet18-narrow": (3, 32, 32),
    "vgg16-bn-narrow": (3, 32, 32),
    "resnet32": (3, 32, 32),
}
FRONT_ENDS = ("polarize", "sparsecode", "sparsecode-fixed", "l2nn", "hah")
"""In their default configurations, of MNIST's shape."""

BATCHES = (32, 128)
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
WARM = 2
"""Passes before the one that is measured."""

Work = Callable[[Any, torch.Tensor, torch.Tensor], None]
"""A pass: ``(model, images, labels)``."""


def attack(model: Protected, x: torch.Tensor, y: torch.Tensor) -> None:
    """The gradient of the images."""
    gradient(model.eval().requires_grad_(False), x, y)


def train(model: Protected, x: torch.Tensor, y: torch.Tensor) -> None:
    """The gradient of the weights."""
    torch.autograd.backward(F.cross_entropy(model.train().requires_grad_(True)(x), y))


def encode(front_end: nn.Module, x: torch.Tensor, _: torch.Tensor) -> None:
    """The gradient of the images, of a front end."""
    points = x.detach().requires_grad_()
    torch.autograd.grad(front_end(points).square().sum(), points)


def subjects() -> Iterator[tuple[str, nn.Module, tuple[int, ...], tuple[Work, ...]]]:
    """What is measured: its name, itself, the shape of its images, its passes."""
    for name, shape in NETWORKS.items():
        network = Protected(Identity(Config()), get_classifier(name).build(shape, 10), image_shape=shape)
        yield name, network, shape, (attack, train)
    for name in FRONT_ENDS:
        front_end = get_defense(name).build({}, image_shape=(1, 28, 28))
        yield f"{name} (front end)", front_end.eval().requires_grad_(False), (1, 28, 28), (encode,)


def laid_out(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """A copy of which the tensors that have a layout have this one, those of one channel too."""
    copied = copy.deepcopy(module)
    for tensor in (*copied.parameters(), *copied.buffers()):
        if tensor.ndim == 4:
            tensor.data = torch.empty_like(tensor, memory_format=layout).copy_(tensor)
    return copied


def compare(models: Mapping[str, nn.Module], what: Work, x: torch.Tensor, y: torch.Tensor, rounds: int) -> Any:
    """The time of a pass in the second layout over that in the first, a round a ratio."""
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            for _ in range(WARM):
                what(model, x, y)
            taken[name].append(seconds(partial(what, model, x, y), "cpu"))
    first, last = taken.values()
    return record.spread([after / before for before, after in zip(first, last, strict=True)])


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed()
    rows = []
    print("| network | batch | last ÷ first, attack | last ÷ first, training |\n| --- | --- | --- | --- |")
    for name, module, shape, passes in subjects():
        models = {title: laid_out(module, layout) for title, layout in LAYOUTS.items()}
        for size in BATCHES:
            x, y = torch.rand((size, *shape)), torch.zeros(size, dtype=torch.long)
            ratios = [compare(models, what, x, y, options.rounds) for what in passes] + [None]
            rows.append({"network": name, "batch": size, "attack": ratios[0], "train": ratios[1]})
            told = [f"{ratio['median']:.2f}" if ratio else "–" for ratio in ratios[:2]]
            print(f"| {name} | {size} | {' | '.join(told)} |", flush=True)
    if options.json:
        record.write(options.json, {"rounds": options.rounds, "rows": rows})


if __name__ == "__main__":
    main()
