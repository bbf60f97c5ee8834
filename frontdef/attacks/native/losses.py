"""What an attack maximizes: one value a sample, larger where the classifier is more wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef.attacks.spec import Loss
from frontdef.errors import ConfigError

_TINY = 1e-12


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy, in nats.

    Args:
        logits: ``(N,K)``.
        y: Labels, int64 ``(N,)``.

    Returns:
        ``(N,)``.
    """
    return F.cross_entropy(logits, y, reduction="none")


def log_odds(logits: Tensor, y: Tensor) -> Tensor:
    """Log-odds against the label, ``logsumexp(z_k, k ≠ y) − z_y``; cross-entropy is their softplus.

    So at every point both have gradients of one direction, and this one does not vanish: in float32 cross-entropy is
    exactly 0 where the label leads by more than 17, and its gradient where it leads by more than 104.

    Args:
        logits: ``(N,K)``.
        y: Labels, int64 ``(N,)``.

    Returns:
        ``(N,)``, in nats.
    """
    label = logits.gather(1, y[:, None]).squeeze(1)
    return logits.scatter(1, y[:, None], -torch.inf).logsumexp(dim=1) - label


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """Largest wrong logit minus the label's: positive where the sample is misclassified.

    It is -f of Carlini & Wagner 2017 (arXiv:1608.04644, f₆) without its floor.

    Args:
        logits: ``(N,K)``.
        y: Labels, int64 ``(N,)``.

    Returns:
        ``(N,)``, in logits.
    """
    label = logits.gather(1, y[:, None]).squeeze(1)
    wrong = logits.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    return wrong - label


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """Difference of logits ratio: the margin divided by the gap between the largest and the third largest logit.

    Croce & Hein 2020 (arXiv:2003.01690), equation 6; unchanged when the logits are shifted or scaled.

    Args:
        logits: ``(N,K)``, K ≥ 3.
        y: Labels, int64 ``(N,)``.

    Returns:
        ``(N,)``.

    Raises:
        ConfigError: Fewer than 3 classes.
    """
    if logits.shape[1] < 3:
        raise ConfigError(
            f"the DLR loss needs at least 3 classes, the model has {logits.shape[1]}: loss='margin' takes 2"
        )
    top = logits.topk(3, dim=1).values
    return margin(logits, y) / (top[:, 0] - top[:, 2] + _TINY)


def gap(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """A target's logit minus the label's: above 0 the label has lost, if to no better class.

    Args:
        logits: ``(N,K)``.
        y: Labels, int64 ``(N,)``.
        target: Classes to reach, int64 ``(N,)``.

    Returns:
        ``(N,)``, in logits.
    """
    return (logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])).squeeze(1)


def targeted_dlr(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """The gap to a target, divided by the largest logit minus the mean of the third and the fourth.

    Croce & Hein 2020 (arXiv:2003.01690), equation 7; unchanged when the logits are shifted or scaled. Of three classes
    the third logit alone is taken.

    Args:
        logits: ``(N,K)``, K ≥ 3.
        y: Labels, int64 ``(N,)``.
        target: Classes to reach, int64 ``(N,)``.

    Returns:
        ``(N,)``.

    Raises:
        ConfigError: Fewer than 3 classes.
    """
    if logits.shape[1] < 3:
        raise ConfigError(
            f"the targeted DLR loss needs at least 3 classes, the model has {logits.shape[1]}: of two classes only one "
            "is wrong, so apgd with loss='cross-entropy' is the same attack"
        )
    top = logits.topk(min(4, logits.shape[1]), dim=1).values
    return gap(logits, y, target) / (top[:, 0] - top[:, 2:].mean(dim=1) + _TINY)


LOSSES: Mapping[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": cross_entropy,
    "margin": margin,
    "dlr": dlr,
}

DIRECTIONS: Mapping[Loss, Callable[[Tensor, Tensor], Tensor]] = {**LOSSES, "cross-entropy": log_odds}
"""The same where only the direction of the gradient counts, as in steps of one length: none of them saturates."""
