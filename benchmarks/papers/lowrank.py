"""Figure 7 of "Making Neural Nets Robust Again" on 2L, beside what it leaves out: attacks on the reduced network.

One network is trained, then reduced by every k. "transfer" is the report's measure: of the examples made for the
original network (section 2.4, until it is 95 % sure of the wrong class; --confidence 0: until it names it), the share
that the reduced network classifies correctly. "again" makes such examples for the reduced network instead: the share of
images for which that fails, and the mean ‖x_adv − x‖₂/‖x‖₂ of those for which it succeeds. "PGD" is its accuracy under
ℓ∞ PGD.

    FRONTDEF_DATA=<folder> python benchmarks/papers/lowrank.py [--dataset mnist] [--network 2l] [--how scale]
                                                               [--factor 0.1] [--no-last-layer] [--eps 0.05]
                                                               [--confidence 0.95] [--rate 0.01] [--width 100]
"""

from __future__ import annotations

import argparse
import copy
from typing import cast

import torch
from frontdef_lowrank.config import LowRankConfig
from frontdef_lowrank.front_end import LowRankFrontEnd
from torch import Tensor, nn
from torch.nn import functional as F

import frontdef
from frontdef.attacks.native.pgd import pgd
from frontdef.errors import DataError
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.threat import ThreatModel
from frontdef.verdicts.statistics import wilson

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)


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


def share(right: Tensor) -> str:
    """A share of samples with its 95 % interval (Wilson), in percent."""
    low, high = wilson(int(right.sum()), len(right))
    return f"{right.float().mean().item():6.1%} [{low:.1%}, {high:.1%}]"


def main() -> None:
    """Print the table, or say which data are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--network", default="2l")
    parser.add_argument("--how", default="scale")
    parser.add_argument("--factor", type=float, default=0.1)
    parser.add_argument("--last-layer", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--confidence", type=float, default=0.95, help="that examples must reach; 0: any, if predicted")
    parser.add_argument("--rate", type=float, default=0.01, help="step length of these examples")
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--eps", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        test = get_dataset(arguments.dataset).load("test").take(arguments.samples, arguments.seed)
    except DataError as error:
        print(f"skipped: {error}")
        return
    original = frontdef.train(
        "lowrank",
        dataset=arguments.dataset,
        seed=arguments.seed,
        network=arguments.network,
        width=arguments.width,
        share=0.0,
    )
    right = original.predict(test.images).argmax(1) == test.labels
    x, y = test.images[right], test.labels[right]
    goal = (y + 1) % 10
    made = targeted(original, x, goal, arguments.confidence, arguments.rate)
    usable = ~made.flatten(1).isnan().any(1)
    print(
        f"{arguments.dataset}, {arguments.network}, {arguments.how} {arguments.factor:g}; {len(test)} test images, "
        f"{int(usable.sum())} adversaries of the original from {len(x)} that it classifies correctly; "
        f"ε = {arguments.eps:g}"
    )
    print(f"{'k':>4}  {'clean':22} {'transfer (the report)':22} {'again: resisted':22} {'‖δ‖/‖x‖':>8}  PGD")
    for k in SHARES:
        config = LowRankConfig(
            network=arguments.network,
            width=arguments.width,
            share=k,
            how=arguments.how,
            factor=arguments.factor,
            last_layer=arguments.last_layer,
        )
        model = reduced(original, config)
        own = targeted(model, x, goal, arguments.confidence, arguments.rate)
        fooled = ~own.flatten(1).isnan().any(1)
        needed = ((own - x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1))[fooled].mean().item()
        examples = pgd(
            model, test.images, test.labels, threat=ThreatModel("linf", arguments.eps), steps=40,
            step_size=arguments.eps / 10, random_start=True,
        )  # fmt: skip
        print(
            f"{k:4.0%}  {share(model.predict(test.images).argmax(1) == test.labels):22} "
            f"{share(model.predict(made[usable]).argmax(1) == y[usable]):22} {share(~fooled):22} {needed:8.3f}  "
            f"{share(model.predict(examples).argmax(1) == test.labels)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
