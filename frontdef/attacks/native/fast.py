"""PGD without the passes that can change nothing: how `pgd` runs in its fast mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from frontdef.attacks.native.ascent import look, step
from frontdef.attacks.native.losses import DIRECTIONS
from frontdef.attacks.native.wave import Wave, waves
from frontdef.attacks.spec import Loss
from frontdef.threat import ThreatModel

LAP = 4
"""Steps between the points to which an iterate may come back; most circles of PGD are 1, 2 or 4 steps long."""

WITNESSES = 16
"""Rows that must repeat themselves before a model is taken for deterministic."""


@dataclass
class PgdRun:
    """What stays the same over all steps and restarts; the arguments are those of `frontdef.attacks.native.pgd.pgd`."""

    model: nn.Module
    x: Tensor
    y: Tensor
    threat: ThreatModel
    steps: int
    step_size: float
    restarts: int
    loss: Loss
    targeted: bool
    deterministic: bool | None = None

    def look(self, points: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at points and the direction in which the loss improves, whatever the margin."""
        return look(self.model, points, y, self.loss, self.targeted, DIRECTIONS)

    def succeeded(self, logits: Tensor, y: Tensor) -> Tensor:
        """Which samples are where the attack wants them."""
        return (logits.argmax(dim=1) == y) == self.targeted

    def fooled(self, current: Tensor, y: Tensor) -> Tensor:
        """Which of ``current`` succeed: one forward pass."""
        with torch.no_grad():
            return self.succeeded(self.model(current), y)

    def repeats(self, current: Tensor, x: Tensor, y: Tensor) -> bool:
        """Whether the same points take the same step again; tried once, on at least `WITNESSES` rows, not declared."""
        if self.deterministic is None:
            rows = torch.arange(len(x), device=x.device).repeat(-(-WITNESSES // len(x)))
            current, x, y = current[rows], x[rows], y[rows]
            once, again = (step(current, self.look(current, y)[1], x, self.threat, self.step_size) for _ in range(2))
            self.deterministic = torch.equal(once, again)
        return self.deterministic


def fast(attack: PgdRun, starts: Iterator[Tensor]) -> Tensor:
    """Attack with every pass that can change nothing left out.

    Args:
        attack: What to run.
        starts: Where each restart begins, ``(N,C,H,W)``.

    Returns:
        Of each sample the first iterate that succeeds, in the first restart in which one does; else one that does not.
    """
    result = attack.x.clone()

    def attempt(wave: list[Tensor], left: Tensor, to_come: int) -> Tensor:
        return _Climb.of(attack, wave, left, result).run(judge_last=to_come > 0 or len(wave) > 1)

    waves(attempt, starts, attack.restarts, torch.arange(len(result), device=result.device), len(result))
    return result


@dataclass
class _Climb:
    """Some restarts of the samples that are left, run as one batch."""

    attack: PgdRun
    wave: Wave
    current: Tensor
    anchor: Tensor
    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, attack: PgdRun, starts: list[Tensor], left: Tensor, result: Tensor) -> _Climb:
        """The restarts that begin at ``starts``, each ``(N,C,H,W)``."""
        wave = Wave.of(result, left, len(starts))
        current = torch.cat([start[left] for start in starts])
        return cls(attack, wave, current, current, attack.x[wave.sample], attack.y[wave.sample])

    def run(self, *, judge_last: bool) -> Tensor:
        """Write each sample's example into the result; return the samples that still stand.

        Args:
            judge_last: Whether the last iterates are judged, too; without it all of them count as standing.
        """
        attack = self.attack
        for taken in range(attack.steps):
            if not len(self.wave):
                break
            if taken % LAP == 0:
                self.anchor = self.current
            logits, gradient = attack.look(self.current, self.y)
            gradient = self.settle(attack.succeeded(logits, self.y), gradient)
            self.current = step(self.current, gradient, self.x, attack.threat, attack.step_size)
            self.leave_circles()
        if judge_last and len(self.wave):
            self.settle(attack.fooled(self.current, self.y), self.current)
        self.give_up(torch.ones_like(self.wave.sample, dtype=torch.bool))
        return self.wave.standing

    def settle(self, fell: Tensor, gradient: Tensor) -> Tensor:
        """Keep what succeeded and drop what no longer matters; the gradient of the rows that are left."""
        if not fell.any():
            return gradient
        stand = self.wave.settle(fell, self.current)
        self.keep(stand)
        return gradient[stand]

    def leave_circles(self) -> None:
        """Give up rows that are back at a point from which they have already been around without success."""
        back = (self.current == self.anchor).flatten(1).all(dim=1)
        if back.any() and self.attack.repeats(self.current, self.x, self.y):
            self.give_up(back)

    def give_up(self, rows: Tensor) -> None:
        """Drop rows that failed; of a sample's last restart the iterate is kept, unless an earlier one succeeded."""
        self.wave.show(rows, self.current)
        self.keep(~rows)

    def keep(self, rows: Tensor) -> None:
        """Forget the other rows."""
        self.wave.keep(rows)
        self.current, self.anchor = self.current[rows], self.anchor[rows]
        self.x, self.y = self.x[rows], self.y[rows]
