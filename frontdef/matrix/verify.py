"""No library is believed: every example is scored again on the defended model, by one rule with one tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef.threat import MEASURED, TOLERANCE, ThreatModel, distance
from frontdef.verdicts import broken

if TYPE_CHECKING:
    from frontdef.protected import Protected


@dataclass(frozen=True)
class Scores:
    """Logits of images and labels, with what follows from them.

    Args:
        logits: ``(N,K)``; of a randomized model the logarithm of the mean probability.
        labels: int64 ``(N,)``.
        majority: Class that most draws predict, −1 where logits are not finite, int64 ``(N,)``.
    """

    logits: Tensor
    labels: Tensor
    majority: Tensor

    @property
    def predictions(self) -> Tensor:
        """Predicted classes; −1 for logits that are not finite."""
        return _classes(self.logits)

    @property
    def losses(self) -> Tensor:
        """Cross-entropy, nats."""
        return F.cross_entropy(self.logits, self.labels, reduction="none")

    @property
    def margins(self) -> Tensor:
        """Logit of the label minus the largest other one."""
        others = self.logits.scatter(1, self.labels[:, None], -torch.inf).amax(1)
        return self.logits.gather(1, self.labels[:, None])[:, 0] - others

    def of(self, rows: slice | Tensor) -> Scores:
        """Those of some of the images."""
        return Scores(self.logits[rows], self.labels[rows], self.majority[rows])


def joined(lots: Sequence[Scores]) -> Scores:
    """The scores of lots of images, one behind the other."""
    columns = zip(*((lot.logits, lot.labels, lot.majority) for lot in lots), strict=True)
    return Scores(*(torch.cat(column) for column in columns))


def score(protected: Protected, images: Tensor, labels: Tensor, *, draws: int, seed: int) -> Scores:
    """Score images on the defended model; a randomized one over fresh draws, by their mean and by their majority.

    Args:
        protected: The defended model.
        images: float32 ``(N,C,H,W)`` in [0,1].
        labels: int64 ``(N,)``.
        draws: Draws for a randomized front end.
        seed: Seed of these draws, another than the attack's.
    """
    if not type(protected.front_end).randomized:
        logits = protected.predict(images)
        return Scores(logits, labels.cpu(), _classes(logits))
    protected.front_end.reseed(seed)
    drawn = torch.stack([protected.predict(images) for _ in range(draws)])
    mean = drawn.log_softmax(-1).logsumexp(0) - math.log(draws)
    votes = F.one_hot(drawn.argmax(-1), drawn.shape[-1]).sum(0).argmax(-1)
    return Scores(mean, labels.cpu(), torch.where(drawn.isfinite().all(-1).all(0), votes, -1))


def _classes(logits: Tensor) -> Tensor:
    return torch.where(logits.isfinite().all(1), logits.argmax(1), -1)


def verify(
    protected: Protected,
    x: Tensor,
    x_adv: Tensor,
    y: Tensor,
    clean: Scores,
    threat: ThreatModel,
    *,
    minimum_norm: bool,
    draws: int,
    seed: int,
    wanted: Tensor | None = None,
) -> dict[str, np.ndarray]:
    """Judge examples against the threat model.

    Args:
        protected: The defended model.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        x_adv: What the library returned, of the same shape.
        y: Labels, int64 ``(N,)``.
        clean: Scores of ``x``.
        threat: Norm and radius.
        minimum_norm: Whether the attack looks for the smallest perturbation, so that the radius is not its bound.
        draws: Draws for a randomized front end.
        seed: Seed of these draws.
        wanted: Classes that a targeted attack was asked for, int64 ``(N,)``; None for any wrong one.

    Returns:
        Column → values ``(N,)``, those of `frontdef.matrix.tables.RECORDS` without ``sample_id``.

    Raises:
        ValueError: ``x_adv`` is no float32 tensor of the shape of ``x``.
    """
    if x_adv.shape != x.shape or x_adv.dtype != torch.float32:
        raise ValueError(
            f"the attack returned {x_adv.dtype} {tuple(x_adv.shape)}, float32 {tuple(x.shape)} was asked for"
        )
    x, x_adv, y = x.cpu(), x_adv.detach().cpu(), y.cpu()
    flat = x_adv.flatten(1)
    finite = flat.isfinite().all(1)
    in_box = finite & (flat.amin(1) >= -TOLERANCE) & (flat.amax(1) <= 1 + TOLERANCE)
    seen = score(protected, torch.where(finite[:, None, None, None], x_adv, x).clamp(0, 1), y, draws=draws, seed=seed)
    predictions, majority = (torch.where(finite, classes, -1) for classes in (seen.predictions, seen.majority))
    columns: dict[str, Tensor] = {
        "label": y,
        "clean_prediction": clean.predictions,
        "clean_correct": clean.predictions == y,
        "target": torch.full_like(y, -1) if wanted is None else wanted.cpu(),
        "adversarial_prediction": predictions,
        "adversarial_majority": majority,
        **{norm: distance(x, x_adv, norm) for norm in MEASURED},
        "in_box": in_box,
        "finite": finite,
        "loss_clean": clean.losses,
        "loss_adv": seen.losses,
        "margin": seen.margins,
    }
    recorded: dict[str, np.ndarray] = {name: values.numpy() for name, values in columns.items()}
    return recorded | broken.judged(recorded, threat.norm, threat.eps, minimum_norm=minimum_norm)
