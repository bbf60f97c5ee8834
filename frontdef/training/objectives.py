"""What a stage minimizes on a batch: a loss of the logits, the examples it is taken on, and a penalty."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.attacks.native.ascent import ascend
from frontdef.attacks.native.pgd import pgd
from frontdef.errors import UnknownNameError
from frontdef.frontend import FrontEnd
from frontdef.stage import Stage
from frontdef.threat import ThreatModel

T = TypeVar("T")

TRADES_NOISE = 1e-3
"""Standard deviation of the noise from which TRADES starts its attack, in [0,1] pixel values: at the image itself the
divergence is 0, and so is its gradient."""


def choose(kind: str, name: str, offered: Mapping[str, T], front_end: FrontEnd[Any]) -> T:
    """What a name of a stage means.

    Raises:
        UnknownNameError: Neither the core nor the front end offers it.
    """
    if name not in offered:
        raise UnknownNameError(f"{kind} of a training stage", name, offered, f"(behind {type(front_end).__name__})")
    return offered[name]


@dataclass
class Batch:
    """A batch on its way through front end and classifier.

    Args:
        front_end: The front end.
        classifier: What stands behind it.
        y: Labels, int64 ``(N,)``.
        stage: Says what is minimized.
        training: Puts both modules back into training mode after an attack.
    """

    front_end: FrontEnd[Any]
    classifier: nn.Module
    y: Tensor
    stage: Stage
    training: Callable[[], None]
    x: Tensor | None = field(default=None, init=False)
    """Images ``(N,C,H,W)``; None where only their features are needed."""

    features: Tensor | None = field(default=None, init=False)
    """What the front end makes of them, where that is known already."""

    def evaluate(self, weight: float) -> tuple[Tensor, float]:
        """Loss and number of correct predictions (NaN where the classifier is not run).

        Args:
            weight: Of the penalty.
        """
        loss, right = None, math.nan
        if self.stage.loss != "none":
            loss, logits = OBJECTIVES.get(self.stage.loss, _front_end_loss)(self)
            right = float((logits.argmax(1) == self.y).sum())
        if self.stage.penalty:
            assert self.x is not None
            term = weight * self.front_end.penalties()[self.stage.penalty](self.x, self.classifier)
            loss = term if loss is None else loss + term
        assert loss is not None
        return loss, right

    def logits(self, x: Tensor | None = None) -> Tensor:
        """Logits of images, or of the features at hand."""
        if x is None and self.features is not None:
            return cast(Tensor, self.classifier(self.features))
        images = self.x if x is None else x
        assert images is not None
        return cast(Tensor, self.classifier(self.front_end(images)))

    def examples(self) -> Tensor | None:
        """What the loss is taken on: PGD examples in adversarial stages, else the images (or features) as they are."""
        return None if self.stage.adversarial is None else self._pgd()

    @property
    def threat(self) -> ThreatModel:
        """The threat model of an adversarial stage."""
        assert self.stage.adversarial is not None
        return ThreatModel(self.stage.adversarial, self.stage.eps)

    def _pgd(self) -> Tensor:
        assert self.x is not None
        stage = self.stage
        model = nn.Sequential(self.front_end, self.classifier).eval()
        examples = pgd(
            model,
            self.x,
            self.y,
            threat=self.threat,
            steps=stage.attack_steps,
            step_size=stage.relative_step * stage.eps,
            random_start=True,
            restarts=stage.attack_restarts,
        )
        self.training()
        return examples

    def divergent(self) -> Tensor:
        """Examples that maximize the divergence from the clean prediction (TRADES, arXiv:1901.08573, equation 5)."""
        assert self.x is not None
        stage, x = self.stage, self.x
        model = nn.Sequential(self.front_end, self.classifier).eval()
        with torch.no_grad():
            clean = model(x)

        def gradient(current: Tensor) -> Tensor:
            current = current.detach().requires_grad_()
            return torch.autograd.grad(_divergence(clean, model(current)).sum(), current)[0]

        examples = ascend(
            x + TRADES_NOISE * torch.randn_like(x),
            x,
            gradient,
            threat=self.threat,
            steps=stage.attack_steps,
            step_size=stage.relative_step * stage.eps,
        )
        self.training()
        return examples


def _cross_entropy(batch: Batch) -> tuple[Tensor, Tensor]:
    logits = batch.logits(batch.examples())
    return F.cross_entropy(logits, batch.y), logits


def _trades(batch: Batch) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the clean images plus β times the divergence of the attacked ones from them."""
    attacked = batch.divergent()
    clean, logits = batch.logits(batch.x), batch.logits(attacked)
    return F.cross_entropy(clean, batch.y) + batch.stage.beta * _divergence(clean, logits).mean(), logits


def _divergence(clean: Tensor, attacked: Tensor) -> Tensor:
    """KL(softmax of clean ‖ softmax of attacked) of logits ``(N,K)``, nats ``(N,)``.

    From logarithms of both: where a clean probability underflows to 0, its own logarithm has no gradient but NaN.
    """
    return F.kl_div(attacked.log_softmax(1), clean.log_softmax(1), reduction="none", log_target=True).sum(1)


def _front_end_loss(batch: Batch) -> tuple[Tensor, Tensor]:
    logits = batch.logits(batch.examples())
    return batch.front_end.losses()[batch.stage.loss](logits, batch.y), logits


OBJECTIVES: Mapping[str, Callable[[Batch], tuple[Tensor, Tensor]]] = {
    "cross-entropy": _cross_entropy,
    "trades": _trades,
}
"""Name → loss and logits of a batch; other names are the front end's own losses."""
