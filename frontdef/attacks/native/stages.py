"""What the cascade does, stage by stage, as data: cheap ones first, each on what the ones before have left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Climbed = Literal["cross-entropy", "margin", "dlr", "gap", "targeted-dlr"]

Kind = Literal["climb", "classes", "search"]


@dataclass(frozen=True)
class CascadeStage:
    """One stage.

    Args:
        name: By which it is told what it broke.
        kind: ``climb`` runs auto-PGD on any wrong class, ``classes`` once for each of some wrong classes, ``search``
            asks for scores alone.
        climbed: What is maximized; of ``classes`` a loss that has a target.
        steps: Gradient steps a run, or of ``search`` queries a sample.
        runs: Runs, each from a new start; of ``classes`` the wrong classes that are tried.
        skip: Wrong classes that an earlier stage has tried.
        random: Whether runs start at a random point of the ball instead of the image.
        neighbors: Points around each iterate whose gradients are averaged; 1 takes the gradient at the iterate.
    """

    name: str
    kind: Kind
    climbed: Climbed = "margin"
    steps: int = 1
    runs: int = 1
    skip: int = 0
    random: bool = False
    neighbors: int = 1

    @property
    def passes(self) -> int:
        """Forward and backward passes of a sample that stands, at most."""
        if self.kind == "search":
            return self.steps
        return self.runs * (1 + 2 * self.steps * self.neighbors)


STAGES: tuple[CascadeStage, ...] = (
    CascadeStage("one step", "climb", "cross-entropy"),
    CascadeStage("margin", "climb", "margin", steps=12),
    CascadeStage("cross-entropy", "climb", "cross-entropy", steps=40, random=True),
    CascadeStage("nearest classes", "classes", "targeted-dlr", steps=40, runs=3),
    CascadeStage("next classes", "classes", "gap", steps=20, runs=6, skip=3),
    CascadeStage("restarts", "climb", "dlr", steps=50, runs=2, random=True),
    CascadeStage("smoothed", "climb", "margin", steps=15, neighbors=4, random=True),
    CascadeStage("scores", "search", steps=1000),
)
"""The cascade, in order. A sample that stands costs about 2,000 passes, AutoAttack about 10,000."""

RANKED = 20
"""Wrong classes, those of the largest logits, among which the nearest are looked for: a backward pass each."""

PASSES = sum(stage.passes for stage in STAGES) + RANKED
"""Passes of a sample that stands, at most, where every stage is run once."""

WINNER_STEPS = 100
"""Gradient steps of the climb that an adaptive search's winner makes before the cascade."""

COMBINATIONS = 48
"""Combinations of an adaptive search, about: of a front end with three surrogates, one of them smooth, that draws."""


def search_passes(steps: int) -> int:
    """Forward and backward passes of an adaptive search on a sample that stands and is probed in every round, about.

    Args:
        steps: Gradient steps of a combination in the first round.
    """
    total, pool = 0, COMBINATIONS
    while pool > 1:
        total += pool * (2 * steps + 3)
        pool, steps = (pool + 1) // 2, 2 * steps
    return total + 2 * WINNER_STEPS + 1 + PASSES
