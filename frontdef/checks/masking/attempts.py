"""What an attack of a diagnosis achieved, and what it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from frontdef.attacks.native.losses import log_odds


@dataclass(frozen=True)
class Attempt:
    """An attack that was run, as it is stored: who judges a run has to know how hard it tried.

    Args:
        name: What it is called.
        surrogate: The gradient of the front end that it climbed; empty where it asks for none.
        steps: Gradient steps; 0 where it asks for scores only.
        restarts: Starts, draws or queries: how often it began anew.
        n: Samples that it attacked.
        broken: Of these, misclassified by a fresh look.
    """

    name: str
    surrogate: str
    steps: int
    restarts: int
    n: int
    broken: int


def merged(blocks: Iterable[Iterable[Attempt]]) -> tuple[Attempt, ...]:
    """The attempts on several blocks of samples, each attack once."""
    total: dict[str, Attempt] = {}
    for attempt in (attempt for block in blocks for attempt in block):
        before = total.get(attempt.name)
        if before is not None:
            attempt = replace(before, n=before.n + attempt.n, broken=before.broken + attempt.broken)
        total[attempt.name] = attempt
    return tuple(total.values())


@dataclass(frozen=True)
class Effort:
    """How hard an attack tried, as `Attempt` has it.

    Args:
        surrogate: As there.
        steps: As there.
        restarts: As there.
    """

    surrogate: str = ""
    steps: int = 0
    restarts: int = 1


@dataclass(frozen=True)
class AttackResult:
    """What an attack achieved.

    Args:
        x_adv: Examples ``(N,C,H,W)``; the images where it could not run.
        broken: Which are misclassified by a fresh look, bool ``(N,)``.
        error: Why it could not run, as where there is no gradient; empty where it could.
        effort: How hard it tried.
    """

    x_adv: Tensor
    broken: Tensor
    error: str
    effort: Effort


@dataclass(frozen=True)
class Climb(AttackResult):
    """An attack with the way that it took.

    Args:
        logits: At the start and after each step, float32 ``(T+1,N,K)``.
        y: Labels, int64 ``(N,)``.
        usable: Whether each step had a finite gradient that is not zero, bool ``(T,N)``; T = 0 where there is none.
    """

    logits: Tensor
    y: Tensor
    usable: Tensor

    @property
    def losses(self) -> Tensor:
        """Log-odds against the label in float64, ``(T+1,N)``: they rise where the cross-entropy does, at any margin."""
        return log_odds(self.logits.double().flatten(0, 1), self.y.repeat(len(self.logits))).view(-1, len(self.y))

    @property
    def wrong(self) -> Tensor:
        """Which iterates the attack saw misclassified, bool ``(T+1,N)``."""
        return self.logits.argmax(dim=2) != self.y

    @property
    def helped(self) -> Tensor:
        """Which samples had a usable gradient in any step, bool ``(N,)``."""
        return self.usable.any(dim=0) if len(self.usable) else torch.zeros_like(self.y, dtype=torch.bool)

    @property
    def rises(self) -> Tensor:
        """Where the loss ends above its start, bool ``(N,)``."""
        losses = self.losses
        return losses[-1] > losses[0]
