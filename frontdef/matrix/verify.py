"""No library is believed: every example is scored again on the defended model, by one rule with one tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef.threat import MEASURED, TOLERANCE, ThreatModel, distance

if TYPE_CHECKING:
    from frontdef.protected import Protected

COLUMNS: dict[str, str] = {
    "sample_id": "id of the test image in its data set",
    "label": "class index",
    "clean_prediction": "class predicted for the image",
    "clean_correct": "clean_prediction == label",
    "target": "class that the attack was asked for; -1 for any wrong one",
    "adversarial_prediction": "class predicted for the example, clamped to [0,1]; -1 where it is not finite; of "
    "randomized front ends the class of the mean probability over fresh draws",
    "adversarial_majority": "the same, the class that most of the fresh draws predict; the lower one of a tie",
    "linf": "ℓ∞ distance, [0,1] pixel values",
    "l2": "ℓ2 distance, [0,1] pixel values",
    "l1": "ℓ1 distance, [0,1] pixel values",
    "l0": "number of values that differ by more than 1e-6",
    "in_box": "every value in [0,1], to 1e-6",
    "finite": "no NaN and no infinite value",
    "valid": "finite, in the box, and within ε of the image, to 1e-6 (minimum-norm attacks: finite and in the box)",
    "success": "valid and misclassified; of targeted attacks: valid and predicted as the target",
    "success_majority": "the same, by adversarial_majority",
    "loss_clean": "cross-entropy of the image, nats",
    "loss_adv": "cross-entropy of the example, nats",
    "margin": "logit of the label minus the largest other logit, of the example",
}
"""What is recorded of each sample; the other columns say which cell it belongs to."""


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
        draws: Draws for a randomized front end.
        seed: Seed of these draws.
        wanted: Classes that a targeted attack was asked for, int64 ``(N,)``; None for any wrong one.

    Returns:
        Column → values ``(N,)``, the columns of `COLUMNS` without ``sample_id``.

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
    predictions, majority = (torch.where(finite, found, -1) for found in (seen.predictions, seen.majority))
    valid = threat.contains(x, x_adv)
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
        "valid": valid,
        "success": valid & (predictions != y if wanted is None else predictions == wanted.cpu()),
        "success_majority": valid & (majority != y if wanted is None else majority == wanted.cpu()),
        "loss_clean": clean.losses,
        "loss_adv": seen.losses,
        "margin": seen.margins,
    }
    return {name: values.numpy() for name, values in columns.items()}
