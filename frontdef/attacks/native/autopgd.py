"""Auto-PGD (Croce & Hein 2020, arXiv:2003.01690; in ℓ1 Croce & Hein 2021, arXiv:2103.01208), survivors only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.geometry import random_perturbation
from frontdef.attacks.native.losses import DIRECTIONS, targeted_dlr
from frontdef.attacks.native.pace import PACES, Track
from frontdef.attacks.native.wave import Wave, waves
from frontdef.attacks.spec import Loss
from frontdef.threat import ThreatModel

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Logits ``(R,K)``, labels ``(R,)``, classes to reach ``(R,)`` → what is climbed, ``(R,)``."""


@dataclass(frozen=True)
class ClimbRun:
    """One run of every sample.

    Args:
        start: Where it starts, ``(N,C,H,W)`` in the ball and in [0,1].
        target: Classes that the objective is told to reach, int64 ``(N,)``.
    """

    start: Tensor
    target: Tensor


@dataclass(frozen=True)
class AutoPgd:
    """What stays the same over all runs.

    Args:
        model: Logits ``(N,K)`` of images.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, or with ``targeted`` to reach, int64 ``(N,)``.
        threat: Norm and radius.
        steps: Gradient steps.
        objective: What is climbed; it must not saturate.
        rho: As for `apgd`.
        targeted: Whether only the class ``y`` counts as success.
    """

    model: nn.Module
    x: Tensor
    y: Tensor
    threat: ThreatModel
    steps: int
    objective: Objective
    rho: float = 0.75
    targeted: bool = False

    def climb(self, result: Tensor, left: Tensor, runs: Iterator[ClimbRun], count: int) -> Tensor:
        """Make runs of the samples that are left, several at once where they are few.

        Args:
            result: Where examples are written, ``(N,C,H,W)``: of a sample the first iterate that succeeds, in the first
                run in which one does; else the best of the last run.
            left: Samples that stand, int64.
            runs: The runs, in order.
            count: How many.

        Returns:
            Samples that still stand.
        """

        def attempt(some: list[ClimbRun], standing: Tensor, to_come: int) -> Tensor:
            return _Climb(self, Wave.of(result, standing, len(some)), some).run()

        return waves(attempt, runs, count, left, len(result))

    def standing(self) -> Tensor:
        """Samples that are not yet where the attack wants them: one forward pass."""
        with torch.no_grad():
            return (~self.succeeded(self.model(self.x), self.y)).nonzero().flatten()

    def succeeded(self, logits: Tensor, y: Tensor) -> Tensor:
        """Which rows are where the attack wants them."""
        return (logits.argmax(dim=1) == y) == self.targeted


class _Climb:
    """Some runs of the samples that are left, as one batch."""

    def __init__(self, attack: AutoPgd, wave: Wave, runs: list[ClimbRun]) -> None:
        self.attack, self.wave, left = attack, wave, wave.left
        self.y = attack.y[wave.sample]
        self.target = torch.cat([run.target[left] for run in runs])
        self.start = torch.cat([run.start[left] for run in runs])
        self.pace = PACES[attack.threat.norm](attack.threat, attack.steps, attack.rho)

    def run(self) -> Tensor:
        """Write each sample's example into the result; return the samples that still stand."""
        if not len(self.wave):
            return self.wave.standing
        logits, self.track = self._begin(self.start)
        self._settle(logits)
        for taken in range(self.attack.steps):
            if not len(self.wave):
                break
            track = self.track
            track.previous, track.current = track.current, self.pace.move(track, taken)
            if taken < self.attack.steps - 1:
                logits, gradient, value = self._look(track.current)
                track.note(gradient, value)
                self._settle(logits)
                self.pace.check(track)
        self._finish()
        return self.wave.standing

    def _begin(self, current: Tensor) -> tuple[Tensor, Track]:
        logits, gradient, value = self._look(current)
        x, size = self.attack.x[self.wave.sample], self.attack.threat.eps * self.pace.first
        track = Track(
            x=x, current=current, previous=current, gradient=gradient, value=value, best=current,
            best_gradient=gradient, best_value=value, rises=torch.zeros_like(value),
            size=torch.full_like(value, size, dtype=x.dtype), checked=value,
            shortened=torch.ones_like(value, dtype=torch.bool),
            support=torch.full_like(value, x.shape[1:].numel()), density=torch.full_like(value, 0.2),
        )  # fmt: skip
        return logits, track

    def _look(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, the gradient of the objective and the objective: one forward and one backward pass."""
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            logits = self.attack.model(points)
            value = self.attack.objective(logits, self.y, self.target)
            # The sum, not the mean: the gradient of a row must not depend on how many others share its batch.
            (gradient,) = torch.autograd.grad(value.sum(), points)
        return logits.detach(), gradient, value.detach()

    def _settle(self, logits: Tensor) -> None:
        """Keep the examples of the rows that succeeded, and drop the rows that no longer matter."""
        fell = self.attack.succeeded(logits, self.y)
        if fell.any():
            self._keep(self.wave.settle(fell, self.track.current))

    def _finish(self) -> None:
        """Judge the last iterates, which nobody steps from, and write what the rows without success end at."""
        if not len(self.wave):
            return
        track = self.track
        with torch.no_grad():
            logits = self.attack.model(track.current)
            value = self.attack.objective(logits, self.y, self.target)
        track.note(track.gradient, value)
        self._settle(logits)
        self.wave.show(torch.ones_like(self.wave.sample, dtype=torch.bool), track.best)

    def _keep(self, rows: Tensor) -> None:
        self.wave.keep(rows)
        self.track.keep(rows)
        self.y, self.target = self.y[rows], self.target[rows]


def apgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int,
    restarts: int = 1,
    loss: Loss = "cross-entropy",
    rho: float = 0.75,
    targeted: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Projected gradient ascent that chooses its own step sizes and remembers the best it has seen.

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, or with ``targeted`` to reach, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        steps: Gradient steps a run.
        restarts: Runs, each from a uniformly random point of the ball; several in one pass where few samples are left.
        loss: What is maximized, or with ``targeted`` minimized: cross-entropy (its log-odds, which do not saturate),
            margin or DLR.
        rho: Share of the steps between two checkpoints that must raise the loss, or the step is halved; ℓ∞ and ℓ2.
        targeted: Whether only the class ``y`` counts as success.
        generator: Source of the starts, on the device of ``x``; None takes torch's global one.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball: the first iterate that succeeds, the image itself
        where it is misclassified already, else the iterate of the largest loss in the last run.
    """
    climbed, sign = DIRECTIONS[loss], -1 if targeted else 1

    def objective(logits: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        return sign * climbed(logits, labels)

    attack = AutoPgd(model, x, y, threat, steps, objective, rho, targeted)
    result = x.detach().clone()
    runs = (ClimbRun(random_perturbation(x, threat.norm, threat.eps, generator), y) for _ in range(restarts))
    attack.climb(result, attack.standing(), runs, restarts)
    return result


def apgdt(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int,
    classes: int = 9,
    restarts: int = 1,
    rho: float = 0.75,
    generator: Generator | None = None,
) -> Tensor:
    """Auto-PGD on the targeted DLR loss, for each of the likeliest wrong classes (Croce & Hein 2020, section 4).

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, int64 ``(N,)``; any wrong class counts.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        steps: Gradient steps a run.
        classes: Wrong classes that are tried, those of the largest clean logits first; at most K − 1.
        restarts: Runs for each class, each from a uniformly random point of the ball.
        rho: As for `apgd`.
        generator: Source of the starts, on the device of ``x``; None takes torch's global one.

    Returns:
        As for `apgd`.

    Raises:
        ConfigError: A model of two classes.
    """
    attack = AutoPgd(model, x, y, threat, steps, targeted_dlr, rho)
    with torch.no_grad():
        logits = model(x)
    wrong = logits.scatter(1, y[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)[:, :-1]
    targets = wrong.unbind(1)[:classes]
    result = x.detach().clone()
    runs = (
        ClimbRun(random_perturbation(x, threat.norm, threat.eps, generator), target)
        for target in targets
        for _ in range(restarts)
    )
    attack.climb(result, (logits.argmax(dim=1) == y).nonzero().flatten(), runs, len(targets) * restarts)
    return result
