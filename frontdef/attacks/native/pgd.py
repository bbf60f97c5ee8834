"""Projected gradient descent (Madry et al. 2018, arXiv:1706.06083) for ℓ∞, ℓ2 and ℓ1, in plain batched torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.ascent import ascend, look, step
from frontdef.attacks.native.geometry import random_perturbation
from frontdef.attacks.spec import Loss
from frontdef.threat import ThreatModel

Mode = Literal["matched", "fast"]

FULL: Mapping[str, int] = {"cpu": 32}
"""Rows that a device computes in hardly more time than one; fast mode fills a pass with restarts up to so many."""

FULL_ELSEWHERE = 1024


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
    """Maximize a loss inside a ball by steps of steepest ascent (`frontdef.attacks.native.ascent.step`).

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
            ``fast`` drops a sample as soon as it is misclassified and returns that iterate, and runs several restarts
            of the samples that are left in one pass.
        generator: Source of the random starts, on the device of ``x``; None takes torch's global one.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball.
    """
    starts = (
        random_perturbation(x, threat.norm, threat.eps, generator) if random_start else x.detach().clone()
        for _ in range(restarts)
    )
    return _MODES[mode](_Attack(model, x, y, threat, steps, step_size, restarts, loss, targeted), starts)


@dataclass(frozen=True)
class _Attack:
    """What stays the same over all steps and restarts."""

    model: nn.Module
    x: Tensor
    y: Tensor
    threat: ThreatModel
    steps: int
    step_size: float
    restarts: int
    loss: Loss
    targeted: bool

    def succeeded(self, logits: Tensor, y: Tensor) -> Tensor:
        """Which samples are where the attack wants them."""
        return (logits.argmax(dim=1) == y) == self.targeted

    def fooled(self, current: Tensor, y: Tensor) -> Tensor:
        """Which of ``current`` succeed: one forward pass."""
        with torch.no_grad():
            return self.succeeded(self.model(current), y)


def _matched(attack: _Attack, starts: Iterator[Tensor]) -> Tensor:
    def gradient(current: Tensor) -> Tensor:
        return look(attack.model, current, attack.y, attack.loss, attack.targeted)[1]

    def run(start: Tensor) -> Tensor:
        return ascend(start, attack.x, gradient, threat=attack.threat, steps=attack.steps, step_size=attack.step_size)

    result, fallen = run(next(starts)), None
    for start in starts:
        current = run(start)
        if fallen is None:
            fallen = attack.fooled(result, attack.y)
        new = attack.fooled(current, attack.y) & ~fallen
        result[new] = current[new]
        fallen = fallen | new
    return result


def _fast(attack: _Attack, starts: Iterator[Tensor]) -> Tensor:
    result = attack.x.clone()
    left = torch.arange(len(result), device=result.device)
    room = min(len(result), FULL.get(result.device.type, FULL_ELSEWHERE))
    to_do = attack.restarts
    while to_do and len(left):
        wave = [start[left] for start in islice(starts, max(1, room // len(left)))]
        to_do -= len(wave)
        left = _Wave.of(attack, wave, left, result).run(judge_last=to_do > 0 or len(wave) > 1)
    return result


@dataclass
class _Wave:
    """Some restarts of the samples that are left, run as one batch.

    Rows lie restart after restart. Where one succeeds, the later restarts of its sample are dropped and the earlier
    ones go on, so the first success counts, as it does where restarts are run one by one.
    """

    attack: _Attack
    result: Tensor
    restarts: int
    first: Tensor
    current: Tensor
    sample: Tensor
    restart: Tensor
    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, attack: _Attack, wave: list[Tensor], left: Tensor, result: Tensor) -> _Wave:
        """The restarts that begin at the points of ``wave``, each ``(len(left),C,H,W)``."""
        sample = left.repeat(len(wave))
        restart = torch.arange(len(wave), device=left.device).repeat_interleave(len(left))
        first = torch.full_like(attack.y, len(wave))
        return cls(
            attack, result, len(wave), first, torch.cat(wave), sample, restart, attack.x[sample], attack.y[sample]
        )

    def run(self, *, judge_last: bool) -> Tensor:
        """Write each sample's example into ``result``; return the samples that still stand.

        Args:
            judge_last: Whether the last iterates are judged, too; without it all of them count as standing.
        """
        attack = self.attack
        for _ in range(attack.steps):
            logits, gradient = look(attack.model, self.current, self.y, attack.loss, attack.targeted)
            gradient = self.settle(attack.succeeded(logits, self.y), gradient)
            if not len(self.sample):
                return self.sample
            self.current = step(self.current, gradient, self.x, attack.threat, attack.step_size)
        if judge_last:
            self.settle(attack.fooled(self.current, self.y), self.current)
        last = self.restart == self.restarts - 1
        self.result[self.sample[last]] = self.current[last]
        return self.sample[last]

    def settle(self, fell: Tensor, gradient: Tensor) -> Tensor:
        """Keep what succeeded and drop what no longer matters; the gradient of the rows that are left."""
        if not fell.any():
            return gradient
        self.first.scatter_reduce_(0, self.sample[fell], self.restart[fell], "amin")
        best = fell & (self.restart == self.first[self.sample])
        self.result[self.sample[best]] = self.current[best]
        stand = self.restart < self.first[self.sample]
        self.current, self.sample, self.restart = self.current[stand], self.sample[stand], self.restart[stand]
        self.x, self.y = self.x[stand], self.y[stand]
        return gradient[stand]


_MODES: Mapping[Mode, Callable[[_Attack, Iterator[Tensor]], Tensor]] = {"matched": _matched, "fast": _fast}
