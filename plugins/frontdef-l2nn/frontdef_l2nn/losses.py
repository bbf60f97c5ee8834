"""The three-term loss, which asks for wide confidence gaps."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from frontdef.errors import ConfigError

TINY = 1e-10
"""Keeps the logarithm of L_c finite; from the authors' code."""


def three_terms(
    logits: Tensor, labels: Tensor, u: Tensor, v: Tensor, *, gamma: float, omega: float, z: float
) -> Tensor:
    """``L_a + γ·L_b + ω·L_c``, averaged over the batch (Qian & Wegman 2019; the poster's "Loss function").

    L_a is the cross-entropy of ``u_k·y_k``, L_b that of ``v·y_k``, and L_c the average of ``log(1 - p)/z`` with p the
    label's softmax of ``z·y_k``: unlike a cross-entropy, it goes on rewarding a gap that is wide already.

    Args:
        logits: y, ``(N,K)``.
        labels: int64 ``(N,)``.
        u: One factor a class, ``(K,)``.
        v: One factor for all, a scalar.
        gamma: Weight of L_b.
        omega: Weight of L_c.
        z: Sharpness of L_c.

    Raises:
        ConfigError: Another number of logits than of factors.
    """
    if logits.shape[1] != len(u):
        raise ConfigError(
            f"the loss 'l2nn' was built for classes = {len(u)}, the classifier gives {logits.shape[1]} logits: set "
            f"classes = {logits.shape[1]}"
        )
    confident = F.softmax(z * logits, dim=1).gather(1, labels[:, None])
    doubt = (1 - confident + TINY).log().mean() / z
    return F.cross_entropy(u * logits, labels) + gamma * F.cross_entropy(v * logits, labels) + omega * doubt
