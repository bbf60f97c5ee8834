"""Figure 7 of "Making Neural Nets Robust Again": accuracy, transfer and white box of a 2L network against k.

The report counts how many confident examples, made for the original network, the reduced one classifies correctly
("transfer"). The same attack, made for the reduced network itself, is beside it ("again"), and so is its accuracy under
ℓ∞ PGD; and each for what the report leaves open: how sure the examples must be, how they are made, what is reduced.

    FRONTDEF_DATA=… python benchmarks/lowrank.py benchmarks/papers/results/lowrank-confident
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd
import summary
import torch
from frontdef_lowrank.config import LowRankConfig
from frontdef_lowrank.front_end import LowRankFrontEnd
from torch import Tensor, nn
from torch.nn import functional as F

import frontdef
from frontdef.attacks.native.pgd import pgd
from frontdef.datasets import Split
from frontdef.errors import DataError
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.runs.versions import versions
from frontdef.threat import ThreatModel

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
EPS = 0.05


def targeted(
    model: nn.Module,
    x: Tensor,
    goal: Tensor,
    confidence: float,
    lr: float,
    weight: float = 0.1,
    steps: int = 300,
) -> Tensor:
    """Section 2.4: descend on CE(goal, C(x')) + λ‖x' − x‖₂ and clamp, until the goal is predicted and sure enough.

    λ, the rate and the number of steps are not in the report.

    Args:
        model: Gives logits.
        x: Images ``(N,C,H,W)``.
        goal: The wrong class of each ``(N,)``.
        confidence: Probability that it must have.
        lr: Step length.
        weight: λ.
        steps: At most.

    Returns:
        ``(N,C,H,W)``, NaN where the goal was never reached.
    """
    current, examples = x.clone(), torch.full_like(x, torch.nan)
    for _ in range(steps):
        current.requires_grad_()
        logits = model(current)
        sure = logits.softmax(1).gather(1, goal[:, None])[:, 0] >= confidence
        reached = sure & (logits.argmax(1) == goal) & examples.flatten(1).isnan().any(1)
        examples[reached] = current.detach()[reached]
        if not examples.isnan().any():
            break
        # + 1e-12, because the norm has no gradient at 0.
        length = ((current - x).flatten(1).square().sum(1) + 1e-12).sqrt()
        loss = F.cross_entropy(logits, goal, reduction="sum") + weight * length.sum()
        current = (current - lr * torch.autograd.grad(loss, current)[0]).detach().clamp(0, 1)
    return examples


def reduced(original: Protected, config: LowRankConfig) -> Protected:
    """The trained network, reduced as a configuration says."""
    front_end, classifier = copy.deepcopy(original.front_end), copy.deepcopy(original.classifier)
    front_end = cast(LowRankFrontEnd, front_end)
    front_end.config = config
    front_end.finish(classifier)
    return Protected(front_end, classifier)


@dataclass(frozen=True)
class Variant:
    """What the report leaves open.

    Args:
        title: In the table.
        confidence: That examples must reach; 0: any, if predicted.
        rate: Step length of these examples.
        how: scale or zero.
        factor: What bottom singular values are scaled by.
        last_layer: Whether the last layer is reduced, too.
    """

    title: str
    confidence: float = 0.95
    rate: float = 0.01
    how: Literal["scale", "zero"] = "scale"
    factor: float = 0.1
    last_layer: bool = True


VARIANTS = (
    Variant("examples 95 % sure"),
    Variant("examples just over the boundary", confidence=0.0),
    Variant("examples 95 % sure, by longer steps", rate=0.1),
    Variant("just over the boundary, hidden layer alone", confidence=0.0, last_layer=False),
    Variant("just over the boundary, zeroed", confidence=0.0, how="zero"),
    Variant("just over the boundary, scaled by 0.9", confidence=0.0, factor=0.9),
)


def rows(original: Protected, test: Split, variant: Variant, seed: int) -> Iterator[dict[str, Any]]:
    """A row a share of singular values: shares of samples, and how many there are of each."""
    right = original.predict(test.images).argmax(1) == test.labels
    x, y = test.images[right], test.labels[right]
    goal = (y + 1) % 10
    made = targeted(original, x, goal, variant.confidence, variant.rate)
    usable = ~made.flatten(1).isnan().any(1)
    for k in SHARES:
        config = LowRankConfig(
            network="2l", share=k, how=variant.how, factor=variant.factor, last_layer=variant.last_layer
        )
        model = reduced(original, config)
        own = targeted(model, x, goal, variant.confidence, variant.rate)
        resisted = own.flatten(1).isnan().any(1)
        torch.manual_seed(seed)
        examples = pgd(
            model, test.images, test.labels, threat=ThreatModel("linf", EPS), steps=40, step_size=EPS / 10,
            random_start=True,
        )  # fmt: skip
        yield {
            "variant": variant.title, "k": k, "n": len(test), "n_right": len(x), "n_made": int(usable.sum()),
            "clean": _share(model.predict(test.images).argmax(1) == test.labels),
            "transfer": _share(model.predict(made[usable]).argmax(1) == y[usable]),
            "again": _share(resisted),
            "pgd": _share(model.predict(examples).argmax(1) == test.labels),
        }  # fmt: skip


def _share(right: Tensor) -> float:
    return right.double().mean().item()


def main() -> None:
    """Write the summary, or say which data are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        test = get_dataset("mnist").load("test").take(arguments.samples, arguments.seed)
    except DataError as error:
        print(f"skipped: {error}")
        return
    original = frontdef.train("lowrank", dataset="mnist", seed=arguments.seed, network="2l", share=0.0)
    told = []
    for variant in VARIANTS:
        for row in rows(original, test, variant, arguments.seed):
            told.append(row)
            print(row, flush=True)
    about = {
        "name": arguments.out.name,
        "command": f"python benchmarks/lowrank.py benchmarks/papers/results/{arguments.out.name}",
        "versions": {name: version for name, version in versions().items() if name in {*summary.NAMED, "frontdef"}},
        "device": "cpu", "seed": arguments.seed, "samples": len(test), "datasets": ["mnist"], "notes": [],
        "failures": [], "missing": {},
    }  # fmt: skip
    summary.write(arguments.out, about, {"figure7": pd.DataFrame(told)})


if __name__ == "__main__":
    main()
