"""PGD on an expectation over a randomized defense (Athalye et al. 2018, arXiv:1707.07397), in its two readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Generator, Tensor, nn

from frontdef.attacks.native.ascent import ascend, look_around
from frontdef.attacks.native.geometry import random_perturbation, steepest_l2
from frontdef.attacks.spec import Loss
from frontdef.threat import ThreatModel

Reading = Literal["mean", "normalized"]


def eotpgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int,
    step_size: float,
    draws: int,
    reading: Reading = "mean",
    random_start: bool = False,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Step along an average of loss gradients over fresh draws of the model.

    The gradients are averaged, not the logits: `Protected.eot` does the latter, so a view with one draw belongs here.

    Args:
        model: Logits ``(N,K)`` of images, drawn anew for each row of each pass; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, or with ``targeted`` to reach, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        steps: Gradient steps.
        step_size: Length of a step in the norm of ``threat``, in [0,1] pixel values.
        draws: Draws a step.
        reading: ``mean`` averages the gradients, as torchattacks' EOTPGD does. ``normalized`` averages them divided by
            their ℓ2 norm, δ·sign(E[∇/‖∇‖₂]) in the ℓ∞ ball ("Structural defenses", dissertation, §4.2.3); a draw whose
            gradient is zero or not finite is left out, so that it does not freeze the image.
        random_start: Start at a uniformly random point of the ball instead of the image.
        loss: What is maximized, or with ``targeted`` minimized: cross-entropy or margin.
        targeted: Whether only the class ``y`` counts as success.
        generator: Source of the random start, on the device of ``x``; None takes torch's global one.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball.
    """
    average = READINGS[reading]

    def gradient(current: Tensor) -> Tensor:
        return average(look_around(model, current.expand(draws, *current.shape), y, loss, targeted))

    start = random_perturbation(x, threat.norm, threat.eps, generator) if random_start else x.detach().clone()
    return ascend(start, x, gradient, threat=threat, steps=steps, step_size=step_size)


def _mean(gradients: Tensor) -> Tensor:
    return gradients.mean(0)


def _normalized(gradients: Tensor) -> Tensor:
    rows = gradients.flatten(0, 1).flatten(1)
    usable = rows.isfinite().all(dim=1, keepdim=True)
    return steepest_l2(rows.where(usable, 0), rows).view_as(gradients).mean(0)


READINGS: Mapping[Reading, Callable[[Tensor], Tensor]] = {"mean": _mean, "normalized": _normalized}
