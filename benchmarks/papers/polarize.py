"""How far the front ends of a matrix are polarized, what is certified, and whether any of it falls.

For its rows of polarize, at each ε: share of the activations within ε of a threshold; share of the images that have
none there, so that no perturbation changes their code; share certified by Proposition 1, and by the set of reachable
codes with interval bounds. Every certified sample is then attacked by PGD with each surrogate; one that falls ends the
script with an error.

    FRONTDEF_DATA=… python benchmarks/papers/polarize.py [--samples 1000] [--eps 0.003 0.01 0.03 0.1 0.3]
                                                         [--matrix benchmarks/papers/polarizing-recipe-mnist.toml]

The models are those of the matrix, from the same cache.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from frontdef_polarize.certificate import PropositionOne, ReachableCodes
from frontdef_polarize.danger import ZoneConfig, measure
from frontdef_polarize.front_end import PolarizingFrontEnd
from torch import Tensor

import frontdef
from frontdef.attacks.native.pgd import pgd
from frontdef.matrix.entries import parse_matrix
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.threat import ThreatModel
from frontdef.verdicts.statistics import wilson

STEPS = 20


def fallen(protected: Protected, x: Tensor, y: Tensor, threat: ThreatModel) -> int:
    """How many samples PGD breaks with one of the surrogates."""
    broken = torch.zeros(len(x), dtype=torch.bool)
    for surrogate in protected.front_end.surrogates:
        for rows in torch.arange(len(x)).split(100):
            with protected.surrogate(surrogate.name):
                examples = pgd(
                    protected,
                    x[rows],
                    y[rows],
                    threat=threat,
                    steps=STEPS,
                    step_size=threat.eps / 10,
                    random_start=True,
                )
            broken[rows] |= protected.predict(examples).argmax(1) != y[rows]
    return int(broken.sum())


def share(hits: Tensor) -> str:
    """A share with its 95 % interval."""
    interval = wilson(int(hits.sum()), len(hits))
    return f"{hits.double().mean().item():6.1%} [{interval[0]:.1%}, {interval[1]:.1%}]"


def main() -> None:
    """Print a table for each front end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--matrix", type=Path, default=Path(__file__).with_name("polarizing-recipe-mnist.toml"))
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--eps", type=float, nargs="+", default=[0.003, 0.01, 0.03, 0.1, 0.3])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    matrix = parse_matrix(options.matrix.read_text(encoding="utf-8"))
    (dataset,), (classifier,) = matrix.datasets, matrix.classifiers
    split = get_dataset(dataset).load("test").take(options.samples, matrix.seed)
    x, y = split.images, split.labels
    total = lost = 0
    for entry in matrix.defense:
        if entry.name != "polarize":
            continue
        protected = frontdef.train(
            entry.name,
            dataset=dataset,
            classifier=classifier,
            recipe=entry.recipe,
            train_samples=matrix.train_samples,
            seed=matrix.seed,
            **entry.config,
        )
        front_end = protected.front_end
        assert isinstance(front_end, PolarizingFrontEnd)
        right = protected.predict(x).argmax(1) == y
        print(f"\n{dataset}, {entry.title}, thresholds {front_end.config.thresholds}: clean {share(right)}")
        if front_end.filters is not None:
            weights = front_end.filters.abs().flatten(1)
            peak = weights.amax(1) / weights.sum(1)
            print(f"largest weight over ‖w‖₁: median {peak.median():.2f}, {peak.min():.2f} to {peak.max():.2f}")
        print("    ε  in zone  unchanged  Proposition 1           reachable codes         attacked  fell")
        for eps in options.eps:
            threat = ThreatModel("linf", eps)
            zone = measure(protected, x, y, ZoneConfig(eps=eps), 0)
            first = PropositionOne().certify(protected, x, y, threat)
            proved = ReachableCodes().certify(protected, x, y, threat)
            broken = fallen(protected, x[proved], y[proved], threat)
            total, lost = total + int(proved.sum()), lost + broken
            print(
                f"{eps:5g}  {zone['in zone'].mean():7.2%}  {zone['unchanged'].mean():9.1%}  {share(first):22}  "
                f"{share(proved):22}  {int(proved.sum()):8}  {broken:4}",
                flush=True,
            )
    print(f"\n{total} certified samples attacked with {len(PolarizingFrontEnd.surrogates)} surrogates, {lost} fell")
    if lost:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
