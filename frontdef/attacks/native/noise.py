"""Uniform random noise: what a perturbation of the same size does without looking at the model."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.geometry import random_perturbation
from frontdef.threat import ThreatModel


def noise(
    model: nn.Module, x: Tensor, y: Tensor, *, threat: ThreatModel, draws: int, generator: Generator | None = None
) -> Tensor:
    """Draw points uniformly from the ball and keep, of each sample, the first that is misclassified.

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        draws: Draws a sample.
        generator: Source of randomness, on the device of ``x``; None takes torch's global one.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball; the last draw where none is misclassified.
    """
    result = x.clone()
    rows = torch.arange(len(x), device=x.device)
    for _ in range(draws):
        # Drawn for the whole batch, so that a sample's noise does not depend on which others fell before.
        candidates = random_perturbation(x, threat.norm, threat.eps, generator)[rows]
        result[rows] = candidates
        with torch.no_grad():
            rows = rows[model(candidates).argmax(dim=1) == y[rows]]
        if not len(rows):
            break
    return result
