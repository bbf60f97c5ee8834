"""The perturbation that is followed through the layers: native PGD against the model itself."""

from __future__ import annotations

from typing import Self

import torch
from pydantic import field_validator, model_validator
from torch import Tensor
from torch.nn import functional as F

from frontdef.attacks.guard import isolated, note_model
from frontdef.attacks.native.pgd import pgd
from frontdef.config import Config, field
from frontdef.memory import Batches, at_once
from frontdef.protected import Protected
from frontdef.threat import Norm, ThreatModel, parse_eps


class AttackSettings(Config):
    """The attack; by default that of the dissertation's test (chapter 3.1.3.1): 100 steps of 1/255 at ε = 8/255."""

    norm: Norm = field("linf", description="of the perturbation: linf, l2 or l1")
    eps: float | str = field("8/255", description="radius, in [0,1] pixel values or as '8/255'")
    steps: int = field(100, ge=1, description="PGD steps")
    relative_step: float = field(
        0.125, gt=0, description="step size over eps; the paper says 1/255 at 8/255, its code takes 0.1"
    )
    random_start: bool = field(True, description="start at a random point of the ball")
    restarts: int = field(1, ge=1, description="runs from different starts; of each image the first that fools counts")
    eot_draws: int = field(10, ge=1, description="draws over which the logits of randomized front ends are averaged")

    @field_validator("eps")
    @classmethod
    def _number(cls, value: float | str) -> float:
        return parse_eps(value)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.threat  # noqa: B018  it refuses a radius that can't be
        return self

    @property
    def threat(self) -> ThreatModel:
        """Norm and radius."""
        return ThreatModel(self.norm, parse_eps(self.eps))


def craft(protected: Protected, images: Tensor, labels: Tensor, attack: AttackSettings, *, seed: int) -> Tensor:
    """Attacked images; the model and the global generators are left as they were.

    Args:
        protected: The model, attacked as a whole, through the gradient that its front end gives.
        images: float32 ``(N,C,H,W)`` in [0,1].
        labels: int64 ``(N,)``.
        attack: Norm, radius, steps.
        seed: Of the random start.

    Returns:
        float32 ``(N,C,H,W)`` in [0,1] and in the ball, on the CPU.
    """
    target = protected.eot(attack.eot_draws) if type(protected.front_end).randomized else protected
    threat, device = attack.threat, protected.device

    def climb(rows: slice) -> Tensor:
        return pgd(
            target,
            images[rows].to(device),
            labels[rows].to(device),
            threat=threat,
            steps=attack.steps,
            step_size=attack.relative_step * threat.eps,
            random_start=attack.random_start,
            restarts=attack.restarts,
        ).cpu()

    batches = Batches(at_once((target.draws, *images.shape[1:])))
    with isolated(protected, seed):
        parts = [part for _, part in batches.over(len(images), climb, note=lambda: note_model(protected))]
    return torch.cat(parts)


def as_bytes(images: Tensor) -> Tensor:
    """Images cut off (not rounded) to 256 levels, as the dissertation's code stores attacked images before it looks.

    Args:
        images: float32 in [0,1].
    """
    return (images * 255).to(torch.uint8).to(images) / 255


def judge(protected: Protected, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy in nats and whether the prediction is right, ``(N,)`` each.

    Args:
        protected: The model.
        images: float32 ``(N,C,H,W)`` in [0,1].
        labels: int64 ``(N,)``.
    """
    logits = protected.predict(images)
    return F.cross_entropy(logits, labels, reduction="none"), logits.argmax(1) == labels
