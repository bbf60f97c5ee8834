"""The locally linear attack of "Toward Robust Neural Networks via Sparsification" (Gopalakrishnan et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from frontdef.attacks.native.ascent import ascend
from frontdef.bpda import replace_gradient
from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd
from frontdef.threat import ThreatModel

if TYPE_CHECKING:
    from frontdef.protected import Protected

Knowledge = Literal["white", "semi-white"]
Input = Literal["current", "clean"]
Source = Literal["label", "prediction"]
WorstPair = Literal["run", "step"]

Apart = Callable[[Tensor, Tensor], Tensor]
"""``(x1, x2)`` → logits ``(N,K)`` of ``x1``, whose gradient towards ``x2`` is w_eq(x1), pulled back at ``x2``."""


def locally_linear(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int = 1,
    step_size: float,
    x1: Input = "current",
    x2: Input = "current",
    source: Source = "label",
    worst_pair: WorstPair = "run",
    apart: Apart | None = None,
) -> Tensor:
    """Walk up the locally linear model of y_i − y_t, for every class i ≠ t, and take the pair that gets furthest.

    Gopalakrishnan, Marzi, Madhow, Pedarsani, "Toward Robust Neural Networks via Sparsification" (2018), §3.5-3.6.
    A step is δ·sgn(w_eq), with w_eq the gradient of y_i − y_t (A_SW and A_W of §3.5); then e is cut to the ball and
    x + e to [0,1]. The softmax is sidestepped: of the classes that a step might raise, one is, and no probability that
    is close to 1 makes the gradient vanish. With two classes it is FGSM (§3.5, Remark).

    It is the white box attack where ``model`` has the front end in it, whose surrogate then is P_K(w_eq, ·), and the
    semi-white box attack where it has not.

    Args:
        model: Logits ``(N,K)`` of images, K ≥ 2; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        threat: ``linf``, and ε in [0,1] pixel values.
        steps: T; one step of ε is the paper's attack, more are its iterative version.
        step_size: δ, in [0,1] pixel values.
        x1: Where w_eq is taken: at the iterate x + e, or at the clean image.
        x2: Where the front end is linearized (the paper: where its support is taken), likewise.
        source: t is the label, or what the model predicts for the clean image.
        worst_pair: ``run`` makes all steps for every pair and then chooses, as the text of §3.6 has it; ``step``
            chooses after each step, and all pairs go on from there.
        apart: Needed where ``x1`` and ``x2`` differ.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball.

    Raises:
        ConfigError: Another norm, fewer than two classes, or no ``apart`` where it is needed.
    """
    if threat.norm != "linf":
        raise ConfigError(f"the locally linear attack exists in linf, not in {threat.norm}")
    if x1 != x2 and apart is None:
        raise ConfigError(
            f"x1 = {x1!r} and x2 = {x2!r} differ, so the front end must be told from the classifier: "
            "apart=frontdef.attacks.native.locallylinear.apart(protected)"
        )
    see = _together(model) if apart is None or x1 == x2 else apart
    with torch.no_grad():
        logits = model(x)
    classes = logits.shape[1]
    if classes < 2:
        raise ConfigError(f"the locally linear attack compares classes, the model has {classes}: give it two outputs")
    origin = logits.argmax(1) if source == "prediction" else y

    def walk(start: Tensor, others: Tensor, n: int) -> Tensor:
        def slope(current: Tensor) -> Tensor:
            points = {"current": current, "clean": x}
            return _slope(see, points[x1], points[x2], others, origin)

        return ascend(start, x, slope, threat=threat, steps=n, step_size=step_size)

    def worst(start: Tensor, n: int) -> Tensor:
        """Of the walks for all pairs, the one with the largest y_i − y_t at its end, per sample."""
        result, largest = start, torch.full((len(x),), -torch.inf, device=x.device)
        for shift in range(1, classes):
            others = (origin + shift) % classes
            endpoint = walk(start, others, n)
            with torch.no_grad():
                gap = _gap(model(endpoint), others, origin)
            better = gap > largest
            result = torch.where(better.view(-1, 1, 1, 1), endpoint, result)
            largest = torch.where(better, gap, largest)
        return result

    current = x.detach().clone()
    rounds, each = (1, steps) if worst_pair == "run" else (steps, 1)
    for _ in range(rounds):
        current = worst(current, each)
    return current


def _gap(logits: Tensor, others: Tensor, origin: Tensor) -> Tensor:
    """y_i − y_t, ``(N,)``."""
    return (logits.gather(1, others[:, None]) - logits.gather(1, origin[:, None])).squeeze(1)


def _slope(see: Apart, x1: Tensor, x2: Tensor, others: Tensor, origin: Tensor) -> Tensor:
    """The equivalent weights of y_i − y_t at ``x1``, pulled back through the front end at ``x2``, ``(N,C,H,W)``."""
    with torch.enable_grad():
        x2 = x2.detach().requires_grad_()
        # The sum, not the mean: a sample's weights must not depend on how many others share its batch.
        (gradient,) = torch.autograd.grad(_gap(see(x1, x2), others, origin).sum(), x2)
    return gradient


def _together(model: nn.Module) -> Apart:
    def logits(x1: Tensor, x2: Tensor) -> Tensor:
        output: Tensor = model(x2)
        return output

    return logits


class _TwoPoints(FrontEnd[Config]):
    """Takes two images as the halves of the channels: the output at the first, with the gradient at the second."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__(Config())
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, dim=1)
        with torch.no_grad():
            exact = self.inner(x1)
        return replace_gradient(exact, self.inner(x2))


def apart(protected: Protected) -> Apart:
    """The two effective inputs of a protected classifier: P_K(w_eq(x1), x2) is what comes back at x2.

    The classifier's gradient is taken behind the front end at x1, and pulled back by the front end's surrogate at x2.
    Passes are counted with the model's, draws averaged as the model's.

    Args:
        protected: The defended classifier.
    """
    from frontdef.protected import Protected

    view = Protected(_TwoPoints(protected.front_end), protected.classifier)
    view.draws, view.average, view.passes = protected.draws, protected.average, protected.passes

    def logits(x1: Tensor, x2: Tensor) -> Tensor:
        output: Tensor = view(torch.cat([x1, x2], dim=1))
        return output

    return logits
