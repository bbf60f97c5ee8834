"""Projected gradient descent (Madry et al. 2018, arXiv:1706.06083) for ℓ∞, ℓ2 and ℓ1, in plain batched torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.geometry import PROJECTIONS, STEEPEST, random_perturbation
from frontdef.attacks.native.losses import LOSSES
from frontdef.attacks.spec import Loss
from frontdef.threat import ThreatModel

Mode = Literal["matched", "fast"]


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int,
    step_size: float,
    random_start: bool = False,
    restarts: int = 1,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    mode: Mode = "matched",
    generator: Generator | None = None,
) -> Tensor:
    """Maximize a loss inside a ball: a step of steepest ascent, a projection onto the ball, a cut at the box, repeated.

    The cut moves every pixel towards its original, so it never leaves the ball.

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, or with ``targeted`` to reach, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        steps: Gradient steps.
        step_size: Length of a step in the norm of ``threat``, in [0,1] pixel values.
        random_start: Start at a uniformly random point of the ball instead of the image.
        restarts: Runs; of each sample the first successful one is returned.
        loss: What is maximized, or with ``targeted`` minimized: cross-entropy or margin.
        targeted: Whether only the class ``y`` counts as success.
        mode: ``matched`` does what the libraries do: every step on every sample, and the last iterate is returned.
            ``fast`` drops a sample as soon as it is misclassified and returns that iterate.
        generator: Source of the random starts, on the device of ``x``; None takes torch's global one.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball.
    """
    starts = (
        random_perturbation(x, threat.norm, threat.eps, generator) if random_start else x.detach().clone()
        for _ in range(restarts)
    )
    return _MODES[mode](_Climb(model, x, y, threat, step_size, loss, targeted), starts, steps)


@dataclass(frozen=True)
class _Climb:
    """One attack's constants, and what a step does with them."""

    model: nn.Module
    x: Tensor
    y: Tensor
    threat: ThreatModel
    step_size: float
    loss: Loss
    targeted: bool

    def succeeded(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Which samples are where the attack wants them."""
        return (logits.argmax(dim=1) == self.y[rows]) == self.targeted

    def look(self, current: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Which of ``current`` succeed, and the direction in which the loss improves: one forward, one backward."""
        with torch.enable_grad():
            current = current.detach().requires_grad_()
            logits = self.model(current)
            # The sum, not the mean: the gradient of a sample must not depend on how many others share its batch.
            (gradient,) = torch.autograd.grad(LOSSES[self.loss](logits, self.y[rows]).sum(), current)
        return self.succeeded(logits.detach(), rows), -gradient if self.targeted else gradient

    def move(self, current: Tensor, gradient: Tensor, rows: Tensor) -> Tensor:
        """The next iterate."""
        x = self.x[rows]
        ascent = STEEPEST[self.threat.norm](gradient.flatten(1), current.flatten(1)).view_as(x)
        delta = current + self.step_size * ascent - x
        return (x + PROJECTIONS[self.threat.norm](delta.flatten(1), self.threat.eps).view_as(x)).clamp(0, 1)

    def fooled(self, current: Tensor, rows: Tensor) -> Tensor:
        """Which of ``current`` succeed: one forward."""
        with torch.no_grad():
            return self.succeeded(self.model(current), rows)

    @property
    def rows(self) -> Tensor:
        return torch.arange(len(self.x), device=self.x.device)


def _matched(climb: _Climb, starts: Iterable[Tensor], steps: int) -> Tensor:
    rows, result, fallen = climb.rows, None, None
    for start in starts:
        current = start
        for _ in range(steps):
            current = climb.move(current, climb.look(current, rows)[1], rows)
        if result is None:
            result = current
            continue
        if fallen is None:
            fallen = climb.fooled(result, rows)
        new = climb.fooled(current, rows) & ~fallen
        result = torch.where(new.view(-1, 1, 1, 1), current, result)
        fallen = fallen | new
    assert result is not None
    return result


def _fast(climb: _Climb, starts: Iterable[Tensor], steps: int) -> Tensor:
    rows, result = climb.rows, climb.x.clone()
    current = result
    for restart, start in enumerate(starts):
        if restart:
            rows = rows[~climb.fooled(current, rows)]
        current = start[rows]
        for _ in range(steps):
            if not len(rows):
                return result
            fell, gradient = climb.look(current, rows)
            result[rows[fell]] = current[fell]
            current, gradient, rows = current[~fell], gradient[~fell], rows[~fell]
            current = climb.move(current, gradient, rows)
        result[rows] = current
    return result


_MODES: Mapping[Mode, Callable[[_Climb, Iterable[Tensor], int], Tensor]] = {"matched": _matched, "fast": _fast}
