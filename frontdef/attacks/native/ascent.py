"""What every native gradient attack does: look at the loss, step along the steepest direction, stay in the ball."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from frontdef.attacks.native.geometry import PROJECTIONS, STEEPEST
from frontdef.attacks.native.losses import LOSSES
from frontdef.attacks.spec import Loss
from frontdef.threat import ThreatModel

Losses = Mapping[Loss, Callable[[Tensor, Tensor], Tensor]]

POINTS = 512
"""Points a pass where an attack looks at many for one image: enough to fill a machine, few enough for its memory."""


def look(
    model: nn.Module, points: Tensor, y: Tensor, loss: Loss, targeted: bool, losses: Losses = LOSSES
) -> tuple[Tensor, Tensor]:
    """Logits ``(N,K)`` at points, and the gradient along which the loss improves: one forward and one backward pass.

    Args:
        model: Logits of images.
        points: float32 ``(N,C,H,W)``.
        y: Labels to leave, or with ``targeted`` to reach, int64 ``(N,)``.
        loss: What is maximized, or with ``targeted`` minimized.
        targeted: Whether the classes ``y`` are wanted.
        losses: How each loss is computed: `LOSSES` as the libraries do, `DIRECTIONS` without saturation.
    """
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        logits = model(points)
        # The sum, not the mean: the gradient of a sample must not depend on how many others share its batch.
        (gradient,) = torch.autograd.grad(losses[loss](logits, y).sum(), points)
    return logits.detach(), -gradient if targeted else gradient


def look_around(model: nn.Module, points: Tensor, y: Tensor, loss: Loss, targeted: bool) -> Tensor:
    """Gradients at several points for each image, ``(M,N,C,H,W)`` like the points; labels ``(N,)``.

    In passes of at most `POINTS` points, in the order of the first axis, so that a randomized model draws as it would
    in M passes one after the other.
    """
    labels = y.repeat(len(points))
    batches = zip(points.flatten(0, 1).split(POINTS), labels.split(POINTS), strict=True)
    gradients = [look(model, batch, batch_labels, loss, targeted)[1] for batch, batch_labels in batches]
    return torch.cat(gradients).view_as(points)


def step(current: Tensor, gradient: Tensor, x: Tensor, threat: ThreatModel, step_size: float | Tensor) -> Tensor:
    """A step of steepest ascent, a projection onto the ball, a cut at the box.

    Args:
        current: Where the step starts, ``(N,C,H,W)`` in [0,1].
        gradient: ``(N,C,H,W)``.
        x: The images around which the ball lies, ``(N,C,H,W)`` in [0,1].
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        step_size: Length of the step in the norm of ``threat``, in [0,1] pixel values; of each image, ``(N,)``, or one.
    """
    ascent = STEEPEST[threat.norm](gradient.flatten(1), current.flatten(1))
    length = step_size[:, None] if isinstance(step_size, Tensor) else step_size
    return nearest(current + (length * ascent).view_as(x), x, threat)


def nearest(points: Tensor, x: Tensor, threat: ThreatModel) -> Tensor:
    """Points projected onto the ball, then cut at the box.

    The cut moves every pixel towards its original, so it never leaves the ball.

    Args:
        points: ``(N,C,H,W)``.
        x: The images around which the ball lies, ``(N,C,H,W)`` in [0,1].
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
    """
    return (x + PROJECTIONS[threat.norm]((points - x).flatten(1), threat.eps).view_as(x)).clamp(0, 1)


def ascend(
    start: Tensor,
    x: Tensor,
    gradient: Callable[[Tensor], Tensor],
    *,
    threat: ThreatModel,
    steps: int,
    step_size: float,
) -> Tensor:
    """Take all steps on all samples, and return the last iterate.

    Args:
        start: ``(N,C,H,W)`` in the ball and in [0,1].
        x: The images, ``(N,C,H,W)``.
        gradient: Iterate → gradient, both ``(N,C,H,W)``.
        threat: Norm and radius.
        steps: Gradient steps.
        step_size: As for `step`.
    """
    current = start
    for _ in range(steps):
        current = step(current, gradient(current), x, threat, step_size)
    return current
