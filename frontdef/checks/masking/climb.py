"""What an attack of a diagnosis achieved, with the way that it took."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from frontdef.attacks.native.losses import log_odds
from frontdef.checks.masking.attempts import Effort


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
