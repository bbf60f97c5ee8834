"""No library is believed: every example is scored again on the defended model, by one rule with one tolerance."""

from __future__ import annotations

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
    "adversarial_prediction": "class predicted for the example, clamped to [0,1]; -1 where it is not finite",
    "linf": "ℓ∞ distance, [0,1] pixel values",
    "l2": "ℓ2 distance, [0,1] pixel values",
    "l1": "ℓ1 distance, [0,1] pixel values",
    "l0": "number of values that differ by more than 1e-6",
    "in_box": "every value in [0,1], to 1e-6",
    "finite": "no NaN and no infinite value",
    "valid": "finite, in the box, and within ε of the image, to 1e-6 (minimum-norm attacks: finite and in the box)",
    "success": "valid and misclassified",
    "loss_clean": "cross-entropy of the image, nats",
    "loss_adv": "cross-entropy of the example, nats",
    "margin": "logit of the label minus the largest other logit, of the example",
}
"""What is recorded of each sample; the other columns say which cell it belongs to."""


@dataclass(frozen=True)
class Scores:
    """Logits of images and labels, with what follows from them."""

    logits: Tensor
    labels: Tensor

    @property
    def predictions(self) -> Tensor:
        """Predicted classes; −1 for logits that are not finite."""
        return torch.where(self.logits.isfinite().all(1), self.logits.argmax(1), -1)

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
    """Score images on the defended model; a randomized one is judged by the mean probability over fresh draws.

    Args:
        protected: The defended model.
        images: float32 ``(N,C,H,W)`` in [0,1].
        labels: int64 ``(N,)``.
        draws: Draws for a randomized front end.
        seed: Seed of these draws, another than the attack's.
    """
    judge = protected
    if type(protected.front_end).randomized:
        judge = protected.eot(draws, average="probabilities")
        protected.front_end.reseed(seed)
    return Scores(judge.predict(images), labels.cpu())


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
    predictions = torch.where(finite, seen.predictions, -1)
    valid = threat.contains(x, x_adv)
    columns: dict[str, Tensor] = {
        "label": y,
        "clean_prediction": clean.predictions,
        "clean_correct": clean.predictions == y,
        "adversarial_prediction": predictions,
        **{norm: distance(x, x_adv, norm) for norm in MEASURED},
        "in_box": in_box,
        "finite": finite,
        "valid": valid,
        "success": valid & (predictions != y),
        "loss_clean": clean.losses,
        "loss_adv": seen.losses,
        "margin": seen.margins,
    }
    return {name: values.numpy() for name, values in columns.items()}
