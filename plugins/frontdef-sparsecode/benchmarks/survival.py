"""How inert is the threshold, and is the dictionary what section 4.2 says it is?

Learns the dictionary of each data set with its default values from a sample of training images, and measures on test
images: ‖d‖₁; the mean of |⟨d,x⟩|/‖d‖₁ over all coefficients; the share of the T largest coefficients that reach
βε‖d‖₁; the share of patches whose code is 0; the share of negative values among the survivors (what an unsigned code
loses); the kurtosis of the coefficients and of those of random filters of unit norm (Fig. 4.10: the former are to have
heavier tails); and, against the radius of an attack, the share of patches whose code cannot change.

    FRONTDEF_DATA=<folder> python plugins/frontdef-sparsecode/benchmarks/survival.py [--train 2000] [--samples 100]
"""

from __future__ import annotations

import argparse
import time

import torch
from frontdef_sparsecode.config import FixedSparseCodeConfig
from frontdef_sparsecode.encoder import largest, project
from frontdef_sparsecode.front_end import FixedSparseCode
from frontdef_sparsecode.stability import reachable
from torch import Tensor

from frontdef.errors import DataError
from frontdef.registry import get_dataset

TOPS = (1, 5, 15, 50)
RADII = (0.0005, 0.002, 0.01, 8 / 255)
STABLE = 10
"""Images whose reachable codes are bounded."""


def kurtosis(values: Tensor) -> float:
    """Of all values; 3 for a Gaussian."""
    centered = values.double().flatten() - values.double().mean()
    return float(centered.pow(4).mean() / centered.pow(2).mean().square())


def facts(name: str, train: int, samples: int) -> None:
    """Print what was measured on one data set."""
    dataset = get_dataset(name)
    images = dataset.load("train").take(train, 0).images
    x = dataset.load("test").take(samples, 0).images
    front_end = FixedSparseCode(FixedSparseCodeConfig(), image_shape=dataset.image_shape).eval()
    front_end.reseed(0)
    started = time.process_time()
    front_end.fit(images)
    norms, stride = front_end.norms, front_end.settings.stride
    print(f"\n{name}: {front_end.settings.atoms} atoms, {time.process_time() - started:.1f} s of processor time")
    print(f"‖d‖₁ {norms.min():.3f} / {norms.mean():.3f} / {norms.max():.3f} (least, mean, largest)")
    projections = project(x, front_end.atoms, stride)
    y = projections / norms
    print(f"mean |⟨d,x⟩|/‖d‖₁ = {y.abs().mean():.3f}, threshold βε = {front_end.threshold:.3f}")
    order = largest(projections, min(max(TOPS), len(norms)))
    for top in TOPS:
        kept = y.gather(-1, order[..., :top])
        active = kept.abs() >= front_end.threshold
        print(
            f"T = {top}: {active.double().mean():.1%} survive, {(~active).all(-1).double().mean():.1%} of the patches "
            f"are silenced, {(kept[active] < 0).double().mean():.1%} of the survivors are negative"
        )
    random = torch.randn(front_end.atoms.shape, generator=torch.Generator().manual_seed(0))
    random = random / random.flatten(1).norm(dim=1)[:, None, None, None]
    print(f"kurtosis: atoms {kurtosis(projections):.1f}, random filters {kurtosis(project(x, random, stride)):.1f}")
    for eps in RADII:
        constant = reachable(front_end, x[:STABLE], eps).constant
        print(
            f"ε = {eps:.4g}: {constant.double().mean():.1%} of the patches cannot change (T = {front_end.settings.top})"
        )


def main() -> None:
    """Measure each data set that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=["mnist", "fashion-mnist", "cifar10-jpeg"])
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=100)
    given = parser.parse_args()
    for name in given.datasets:
        try:
            facts(name, given.train, given.samples)
        except DataError as error:
            print(f"{name}: {error}")


if __name__ == "__main__":
    main()
