"""Projected gradient descent (Madry et al. 2018, arXiv:1706.06083) for ℓ∞, ℓ2 and ℓ1, in plain batched torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from torch import Generator, Tensor, nn

from frontdef.attacks.native.ascent import ascend, look
from frontdef.attacks.native.fast import PgdRun, fast
from frontdef.attacks.native.geometry import random_perturbation
from frontdef.attacks.spec import Loss
from frontdef.threat import ThreatModel

Mode = Literal["matched", "fast"]


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int,
    step_size: float,
    random_start: bool = False,
    restarts: int = 1,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    mode: Mode = "matched",
    generator: Generator | None = None,
) -> Tensor:
    """Maximize a loss inside a ball by steps of steepest ascent (`frontdef.attacks.native.ascent.step`).

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, or with ``targeted`` to reach, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        steps: Gradient steps.
        step_size: Length of a step in the norm of ``threat``, in [0,1] pixel values.
        random_start: Start at a uniformly random point of the ball instead of the image.
        restarts: Runs; of each sample the first successful one is returned.
        loss: What is maximized, or with ``targeted`` minimized: cross-entropy or margin.
        targeted: Whether only the class ``y`` counts as success.
        mode: ``matched`` does what the libraries do: every step on every sample, and the last iterate is returned.
            ``fast`` drops a sample as soon as it is misclassified and returns that iterate, ends a run whose iterate
            comes back to where it was (where the model turns out to be deterministic, it would go in circles), and runs
            several restarts of the samples that are left in one pass. Its cross-entropy does not saturate
            (`frontdef.attacks.native.losses.log_odds`: the same direction, at any margin).
        generator: Source of the random starts, on the device of ``x``; None takes torch's global one.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball.
    """
    starts = (
        random_perturbation(x, threat.norm, threat.eps, generator) if random_start else x.detach().clone()
        for _ in range(restarts)
    )
    return _MODES[mode](PgdRun(model, x, y, threat, steps, step_size, restarts, loss, targeted), starts)


def _matched(attack: PgdRun, starts: Iterator[Tensor]) -> Tensor:
    def gradient(current: Tensor) -> Tensor:
        return look(attack.model, current, attack.y, attack.loss, attack.targeted)[1]

    def run(start: Tensor) -> Tensor:
        return ascend(start, attack.x, gradient, threat=attack.threat, steps=attack.steps, step_size=attack.step_size)

    result, fallen = run(next(starts)), None
    for start in starts:
        current = run(start)
        if fallen is None:
            fallen = attack.fooled(result, attack.y)
        new = attack.fooled(current, attack.y) & ~fallen
        result[new] = current[new]
        fallen = fallen | new
    return result


_MODES: Mapping[Mode, Callable[[PgdRun, Iterator[Tensor]], Tensor]] = {"matched": _matched, "fast": fast}
