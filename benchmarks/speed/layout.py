"""What channels-last weights gain: a forward and a backward pass in either layout, in turn.

A pass of an attack needs the gradient of the images, in eval mode; one of a training that of the weights, in training
mode. Weights are drawn: the time of a pass does not depend on them. Processor time of one thread.

    python benchmarks/speed/layout.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import record
import torch
from efficiency import gradient, seconds
from torch.nn import functional as F

from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.heap import keep_freed
from frontdef.protected import Protected
from frontdef.registry import get_classifier

NETWORKS = {
    "small-cnn": (1, 8, 8),
    "cnn4": (1, 28, 28),
    "resnet18-narrow": (3, 32, 32),
    "vgg16-bn-narrow": (3, 32, 32),
    "resnet32": (3, 32, 32),
}
BATCHES = (32, 128)
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
WARM = 2
"""Passes before those that are measured, and how many are."""


def attack(model: Protected, x: torch.Tensor, y: torch.Tensor) -> None:
    """The gradient of the images."""
    gradient(model.eval().requires_grad_(False), x, y)


def train(model: Protected, x: torch.Tensor, y: torch.Tensor) -> None:
    """The gradient of the weights."""
    torch.autograd.backward(F.cross_entropy(model.train().requires_grad_(True)(x), y))


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
    for network, shape in NETWORKS.items():
        first = Protected(Identity(Config()), get_classifier(network).build(shape, 10), image_shape=shape)
        models = {name: copy.deepcopy(first).to(memory_format=layout) for name, layout in LAYOUTS.items()}
        for size in BATCHES:
            x, y = torch.rand((size, *shape)), torch.zeros(size, dtype=torch.long)
            row: dict[str, object] = {"network": network, "batch": size}
            for what in (attack, train):
                taken: dict[str, list[float]] = {name: [] for name in LAYOUTS}
                for _ in range(options.rounds):
                    for name, model in models.items():
                        for _ in range(WARM):
                            what(model, x, y)
                        taken[name].append(
                            seconds(
                                lambda model=model, what=what: [what(model, x, y) for _ in range(WARM)],  # noqa: B023
                                "cpu",
                            )
                        )
                pairs = zip(taken["channels last"], taken["channels first"], strict=True)
                row[what.__name__] = record.spread([last / first for last, first in pairs])
            rows.append(row)
            print(f"| {network} | {size} | {row['attack']['median']:.2f} | {row['train']['median']:.2f} |", flush=True)
    if options.json:
        record.write(options.json, {"rounds": options.rounds, "rows": rows})


if __name__ == "__main__":
    main()
