"""How auto-PGD moves: a step from where the rows are, and at checkpoints the length of the next ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from frontdef.attacks.native.ascent import nearest, step
from frontdef.attacks.native.geometry import project_l1_box
from frontdef.threat import Norm, ThreatModel

MEMORY = 0.25
"""Share of a step that goes on where the one before went: 1 − α, with α = 0.75 (Croce & Hein 2020, section 3)."""


@dataclass
class Track:
    """Where rows are and have been; every tensor has one entry a row.

    Args:
        x: Images, ``(R,C,H,W)``.
        current: Iterates.
        previous: Iterates before them.
        gradient: Along which the objective grows at ``current``.
        value: Objective at ``current``, ``(R,)``.
        best: Iterates of the largest objective so far.
        best_gradient: The gradient there.
        best_value: The objective there, ``(R,)``.
        rises: Steps since the last checkpoint at which the objective grew, ``(R,)``.
        size: Lengths of the next step, in the norm of the threat model, ``(R,)``.
        checked: ``best_value`` at the last checkpoint.
        shortened: Whether the step was shortened there, bool.
        support: Values that ``best`` changed at the last checkpoint; ℓ1 only.
        density: Share of the values that a step changes; ℓ1 only.
    """

    x: Tensor
    current: Tensor
    previous: Tensor
    gradient: Tensor
    value: Tensor
    best: Tensor
    best_gradient: Tensor
    best_value: Tensor
    rises: Tensor
    size: Tensor
    checked: Tensor
    shortened: Tensor
    support: Tensor
    density: Tensor

    def keep(self, rows: Tensor) -> None:
        """Forget the other rows."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[rows])

    def note(self, gradient: Tensor, value: Tensor) -> None:
        """Take the gradient and the objective at ``current``."""
        self.rises += value > self.value
        self.gradient, self.value = gradient, value
        better = value > self.best_value
        self.best = torch.where(_wide(better), self.current, self.best)
        self.best_gradient = torch.where(_wide(better), gradient, self.best_gradient)
        self.best_value = torch.where(better, value, self.best_value)

    def go_back(self, rows: Tensor) -> None:
        """Go on from the best iterate."""
        self.current = torch.where(_wide(rows), self.best, self.current)
        self.gradient = torch.where(_wide(rows), self.best_gradient, self.gradient)


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]


class Halving:
    """ℓ∞ and ℓ2: steps of 2ε with memory, halved where they stop paying (Croce & Hein 2020, algorithm 1).

    Args:
        threat: ``linf`` or ``l2``, and the radius in [0,1] pixel values.
        steps: All of them.
        rho: Share of the steps between two checkpoints that must raise the objective.
    """

    first = 2.0
    """Length of the first step divided by ε."""

    def __init__(self, threat: ThreatModel, steps: int, rho: float) -> None:
        self.threat, self.rho = threat, rho
        self.interval = max(int(0.22 * steps), 1)
        self.shortest, self.decrease = max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)
        self.due = self.interval

    def move(self, track: Track, taken: int) -> Tensor:
        """The next iterates."""
        ahead = step(track.current, track.gradient, track.x, self.threat, track.size)
        if taken == 0:
            return ahead
        memory = track.current + (1 - MEMORY) * (ahead - track.current) + MEMORY * (track.current - track.previous)
        return nearest(memory, track.x, self.threat)

    def check(self, track: Track) -> None:
        """At a checkpoint: halve the step and go on from the best where too few steps rose, or none since the last."""
        self.due -= 1
        if self.due:
            return
        idle = ~track.shortened & (track.checked >= track.best_value)
        short = (track.rises <= self.rho * self.interval) | idle
        track.size = torch.where(short, track.size / 2, track.size)
        track.go_back(short)
        track.checked, track.shortened = track.best_value.clone(), short
        track.rises = torch.zeros_like(track.rises)
        self.interval = self.due = max(self.interval - self.decrease, self.shortest)


class Sparse:
    """ℓ1: steps of ε along a share of the values, which follows the support of the best (Croce & Hein 2021, section 3).

    The projection is onto the ball *and* the box, so a step is not spent on values that the box holds. The share is
    rounded down, to one value at least, where the authors' code rounds up: so it gets from two values to one.

    Args:
        threat: ``l1``, and the radius in [0,1] pixel values.
        steps: All of them.
        rho: Not used: what shortens a step here is that the support stays as it is.
    """

    first = 1.0
    longest, shrink, settled = 10.0, 1.5, 0.95

    def __init__(self, threat: ThreatModel, steps: int, rho: float) -> None:
        self.threat = threat
        self.interval = self.due = max(int(0.04 * steps), 1)

    def move(self, track: Track, taken: int) -> Tensor:
        """The next iterates."""
        sizes = track.gradient.abs().flatten(1)
        width = sizes.shape[1]
        rank = width - (track.density * width).long().clamp(1, width)
        least = sizes.sort(dim=1).values.gather(1, rank[:, None])
        signs = (track.gradient.flatten(1) * (sizes >= least)).sign()
        length = track.size[:, None] / signs.abs().sum(dim=1, keepdim=True).clamp_min(1)
        flat = track.x.flatten(1)
        delta = track.current.flatten(1) + length * signs - flat
        return (flat + project_l1_box(delta, flat, self.threat.eps)).clamp(0, 1).view_as(track.x)

    def check(self, track: Track) -> None:
        """At a checkpoint: where the support shrank go back to the best and take long steps, elsewhere shorter ones."""
        self.due -= 1
        if self.due:
            return
        self.due = self.interval
        support = (track.best != track.x).flatten(1).sum(dim=1).to(track.size.dtype)
        shrunk = support / track.support.clamp_min(1) < self.settled
        longest = self.first * self.threat.eps
        track.size = torch.where(shrunk, longest, track.size / self.shrink).clamp(longest / self.longest, longest)
        track.density = support / track.x.shape[1:].numel() / self.shrink
        track.support = support
        track.go_back(shrunk)


PACES: Mapping[Norm, type[Halving] | type[Sparse]] = {"linf": Halving, "l2": Halving, "l1": Sparse}
