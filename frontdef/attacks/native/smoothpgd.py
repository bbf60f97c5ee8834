"""PGD on gradients that are averaged over a neighborhood of the iterate."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.ascent import ascend, look_around
from frontdef.attacks.native.geometry import random_perturbation
from frontdef.attacks.spec import Loss
from frontdef.threat import ThreatModel


def smoothpgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int,
    step_size: float,
    neighbors: int,
    radius: float,
    random_start: bool = False,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Step along the mean of the loss gradients at random points around the iterate.

    It sees through gradients that are shattered on a scale below the radius ("Structural defenses", dissertation,
    appendix B.6: 40 points, at most the step size δ away in ℓ∞).

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, or with ``targeted`` to reach, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        steps: Gradient steps.
        step_size: Length of a step in the norm of ``threat``, in [0,1] pixel values.
        neighbors: Points a step, drawn uniformly from a ball of the norm of ``threat``, cut off at [0,1]. They may lie
            outside the ball of ``threat``: only gradients are taken there.
        radius: Radius of that ball, in [0,1] pixel values.
        random_start: Start at a uniformly random point of the ball instead of the image.
        loss: What is maximized, or with ``targeted`` minimized: cross-entropy or margin.
        targeted: Whether only the class ``y`` counts as success.
        generator: Source of the start and the points, on the device of ``x``; None takes torch's global one.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball.
    """

    def gradient(current: Tensor) -> Tensor:
        points = [random_perturbation(current, threat.norm, radius, generator) for _ in range(neighbors)]
        return look_around(model, torch.stack(points), y, loss, targeted).mean(0)

    start = random_perturbation(x, threat.norm, threat.eps, generator) if random_start else x.detach().clone()
    return ascend(start, x, gradient, threat=threat, steps=steps, step_size=step_size)
