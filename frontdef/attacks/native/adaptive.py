"""What an adaptive evaluation asks a person to try (Tramèr et al. 2020, arXiv:2002.08347), as far as a machine can.

Which gradient, which loss, which start and how many draws suit a defense is found by successive halving (Jamieson &
Talwalkar 2016, arXiv:1502.07943) on a few of the samples that stand; the cascade then runs with what won.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.cascade import LOOKS, CascadeOutcome, Spent, cascade
from frontdef.attacks.native.losses import DIRECTIONS, margin
from frontdef.attacks.native.stages import COMBINATIONS, STAGES, WINNER_STEPS, CascadeStage
from frontdef.attacks.spec import Loss
from frontdef.frontend import Identity
from frontdef.threat import ThreatModel

if TYPE_CHECKING:
    from frontdef.protected import Average, Protected

FEWEST = 8
"""Samples on which any number of combinations is compared, where there are so many."""

STEEPNESS = (1.0, 0.25, 4.0)
"""Factors on the steepness that a smooth surrogate has by default."""


@dataclass(frozen=True)
class Combination:
    """One combination.

    Args:
        surrogate: Of the front end's surrogate gradients; empty where the gradient is the classifier's alone.
        climbed: What is maximized.
        random: Whether it starts at a random point of the ball instead of the image.
        draws: Draws of a randomized front end that are averaged.
        average: What is averaged over them.
    """

    surrogate: str
    climbed: Loss
    random: bool
    draws: int
    average: Average

    def __str__(self) -> str:
        through = f"surrogate {self.surrogate}" if self.surrogate else "gradient of the classifier alone"
        draws = f", {self.average} of {self.draws} draws" if self.draws > 1 else ""
        return f"{through}, {self.climbed}, {'random start' if self.random else 'from the image'}{draws}"

    def stage(self, name: str, steps: int) -> CascadeStage:
        """Its climb."""
        return CascadeStage(name, "climb", self.climbed, steps=steps, random=self.random)


@dataclass(frozen=True)
class Adapted:
    """What came of a search.

    Args:
        examples: float32 ``(N,C,H,W)`` in [0,1] and in the ball.
        winner: The combination with which the cascade was run; None where no sample was right to begin with.
        spent: What each round of the search and each stage of the cascade did, in order.
    """

    examples: Tensor
    winner: Combination | None
    spent: tuple[Spent, ...]


def choices(protected: Protected, x: Tensor) -> tuple[Combination, ...]:
    """Every combination that a defended classifier allows, its own defaults first.

    Args:
        protected: The defended classifier, averaging the draws that an attacker may average at most.
        x: An image at least, ``(N,C,H,W)``.
    """
    sources = [str(surrogate) for surrogate in _surrogates(protected)]
    if not isinstance(protected.front_end, Identity) and _keeps_shape(protected, x):
        sources.append("")
    averaged: list[tuple[int, Average]] = [(1, "probabilities")]
    if protected.draws > 1:
        averaged = [(protected.draws, "probabilities"), (protected.draws, "logits"), *averaged]
    return tuple(
        Combination(source, loss, random, *over)
        for source, loss, random, over in product(sources, DIRECTIONS, (False, True), averaged)
    )


def _surrogates(protected: Protected) -> Iterator[object]:
    for surrogate in protected.front_end.surrogates:
        if surrogate.steepness is None:
            yield surrogate
        else:
            yield from (replace(surrogate, steepness=surrogate.steepness * factor) for factor in STEEPNESS)


def _keeps_shape(protected: Protected, x: Tensor) -> bool:
    with torch.no_grad():
        return protected.front_end(x[:1]).shape[1:] == x.shape[1:]


class Borrowed(nn.Module):
    """A model whose logits are its own, and whose gradient is that of another one."""

    def __init__(self, model: nn.Module, lender: nn.Module) -> None:
        super().__init__()
        self.model, self.lender = model, lender

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,K)`` of ``model``."""
        with torch.no_grad():
            logits: Tensor = self.model(x)
        if not x.requires_grad:
            return logits
        lent: Tensor = self.lender(x)
        return logits + (lent - lent.detach())


def adaptive(
    protected: Protected,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int = 5,
    probed: int = 32,
    stages: tuple[CascadeStage, ...] = STAGES,
    generator: Generator | None = None,
) -> Adapted:
    """Find the combination that breaks most, and run the cascade with it.

    In each round every combination that is left climbs from the same samples that stand, at most ``probed``, fewer
    while there are more than `COMBINATIONS` of them; the better half goes on with twice the steps. Better is what
    breaks more of them, then what leaves a smaller margin. What any of them breaks stays broken. Every example is
    judged on the model as it was given, all its draws averaged, whatever the combination climbed on.

    Args:
        protected: The defended classifier, in eval mode, averaging its draws where it is randomized.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        steps: Gradient steps of a combination in the first round.
        probed: Samples of a round, at most.
        stages: The cascade that the winner runs, after a climb of its own.
        generator: Source of randomness, on the device of ``x``; None takes torch's global one.

    Returns:
        The examples, the winner, and what each part cost.
    """
    return _Search(protected, x, y, threat, generator).run(steps, probed, stages)


class _Search:
    def __init__(
        self, protected: Protected, x: Tensor, y: Tensor, threat: ThreatModel, generator: Generator | None
    ) -> None:
        self.protected, self.x, self.y, self.threat, self.generator = protected, x, y, threat, generator
        self.looks = LOOKS if protected.front_end.randomized else 1
        self.result = x.detach().clone()
        self.left = (self._margins(torch.arange(len(x), device=x.device), x) <= 0).nonzero().flatten()
        self.spent: list[Spent] = []

    def run(self, steps: int, probed: int, stages: tuple[CascadeStage, ...]) -> Adapted:
        if not len(self.left):
            return Adapted(self.result, None, ())
        pool, number = choices(self.protected, self.x), 0
        while len(pool) > 1 and len(self.left):
            number += 1
            pool = self._round(f"search {number}: {len(pool)} combinations, {steps} steps", pool, steps, probed)
            steps *= 2
        winner = pool[0]
        self._finish(winner, (winner.stage("own climb", WINNER_STEPS), *stages))
        return Adapted(self.result, winner, tuple(self.spent))

    def _round(self, name: str, pool: tuple[Combination, ...], steps: int, probed: int) -> tuple[Combination, ...]:
        """The better half, best first."""
        share = min(
            1.0, COMBINATIONS / len(pool)
        )  # a large pool is thinned out on fewer samples, so no round costs more
        some, before = self.left[: max(round(share * probed), min(FEWEST, probed))], self._passes()
        fell, ranks = torch.zeros_like(some, dtype=torch.bool), []
        for choice in pool:
            examples = self._attack(choice, some, (choice.stage("climb", steps),)).examples
            margins = self._margins(some, examples)
            new = (margins > 0) & ~fell
            self.result[some[new]] = examples[new]
            fell |= new
            ranks.append((int((margins > 0).sum()), float(margins.mean().nan_to_num(-torch.inf))))
        self.left = self.left[~torch.isin(self.left, some[fell])]
        self._note(name, len(some), int(fell.sum()), before)
        best = sorted(range(len(pool)), key=ranks.__getitem__, reverse=True)  # stable: of equals the first stays first
        return tuple(pool[place] for place in best[: (len(pool) + 1) // 2])

    def _finish(self, winner: Combination, stages: tuple[CascadeStage, ...]) -> None:
        if not len(self.left):
            return
        outcome = self._attack(winner, self.left, stages, self.looks)
        self.result[self.left] = outcome.examples
        self.spent += [replace(stage, stage=f"{stage.stage} ({winner})") for stage in outcome.spent[1:]]

    def _attack(
        self, choice: Combination, rows: Tensor, stages: tuple[CascadeStage, ...], looks: int = 1
    ) -> CascadeOutcome:
        protected = self.protected
        view = protected.eot(choice.draws, average=choice.average) if protected.front_end.randomized else protected
        model = view if choice.surrogate else Borrowed(view, protected.without())
        with protected.surrogate(choice.surrogate or None):
            return cascade(
                model, self.x[rows], self.y[rows],
                threat=self.threat, stages=stages, looks=looks, generator=self.generator, count=self._passes,
            )  # fmt: skip

    def _margins(self, rows: Tensor, examples: Tensor) -> Tensor:
        """Of the largest wrong logit over the label's, the least of all looks, ``(R,)``: above 0 it is broken."""
        with torch.no_grad():
            seen = [margin(self.protected(examples), self.y[rows]) for _ in range(self.looks)]
        return torch.stack(seen).amin(0).double()

    def _passes(self) -> tuple[int, int]:
        return self.protected.passes.forward, self.protected.passes.backward

    def _note(self, name: str, tried: int, broke: int, before: tuple[int, int]) -> None:
        costs = (now - then for now, then in zip(self._passes(), before, strict=True))
        self.spent.append(Spent(name, tried, broke, *costs))
