"""Do ART, foolbox and plain autograd see one function with one gradient?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.art import FrontEndPreprocessor
from frontdef.protected import Protected

FORWARD_TOLERANCE = 1e-6
"""Largest difference of outputs, relative to the largest output where that exceeds 1."""

GRADIENT_TOLERANCE = 1e-5
"""Largest difference of gradients, relative to the largest value."""


@dataclass(frozen=True)
class Parity:
    """Largest differences from autograd on `Protected`, by view.

    Args:
        forward: View → difference of the logits.
        gradient: View → relative difference of the gradient.
    """

    forward: dict[str, float]
    gradient: dict[str, float]


def parity(protected: Protected, x: Tensor, y: Tensor) -> Parity:
    """Compare every view of a defended model with autograd on it.

    The views: ART on the whole model; ART on the bare classifier with the front end as a preprocessor, as a pipeline
    written by somebody else has it; foolbox.

    Args:
        protected: The model; randomized front ends are reseeded before every call.
        x: float32 ``(N,C,H,W)`` in [0,1].
        y: int64 ``(N,)``.

    Raises:
        MissingExtraError: foolbox is not installed.
    """
    seed = protected.front_end.reseed

    def logits_of(inputs: Tensor) -> Tensor:
        seed(0)
        return protected(inputs)

    inputs = x.clone().requires_grad_()
    logits = logits_of(inputs)
    (by_loss,) = torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), inputs)
    by_class = _class_gradient(logits_of, x, y)

    forward, gradient = {}, {}
    for name, estimator in _art_views(protected, x, logits.shape[1]).items():
        seed(0)
        forward[name] = _apart(estimator.predict(x.cpu().numpy(), batch_size=len(x)), logits, floor=1.0)
        one_hot = F.one_hot(y, logits.shape[1]).float().cpu().numpy()
        seed(0)
        # ART takes the mean over the batch where the others take the sum.
        gradient[f"{name} loss_gradient"] = _apart(estimator.loss_gradient(x.cpu().numpy(), one_hot) * len(x), by_loss)
        seed(0)
        art_by_class = estimator.class_gradient(x.cpu().numpy(), label=y.cpu().numpy())[:, 0]
        gradient[f"{name} class_gradient"] = _apart(art_by_class, by_class)

    foolbox_gradient, foolbox_logits = _foolbox(protected, x, y)
    forward["foolbox"] = _apart(foolbox_logits, logits, floor=1.0)
    gradient["foolbox value_and_grad"] = _apart(foolbox_gradient, by_loss)
    return Parity(forward, gradient)


def _class_gradient(logits_of: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    inputs = x.clone().requires_grad_()
    picked = logits_of(inputs).gather(1, y[:, None]).sum()
    (gradient,) = torch.autograd.grad(picked, inputs)
    return gradient


def _art_views(protected: Protected, x: Tensor, n_classes: int) -> dict[str, Any]:
    foreign = PyTorchClassifier(
        model=protected.classifier,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(x.shape[1:]),
        nb_classes=n_classes,
        clip_values=(0.0, 1.0),
        preprocessing_defences=[FrontEndPreprocessor(protected.front_end)],
        device_type="gpu" if x.device.type == "cuda" else "cpu",
    )
    return {"ART": protected.art_classifier(), "ART preprocessor": foreign}


def _foolbox(protected: Protected, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    model = protected.foolbox_model()
    import eagerpy as ep  # comes with foolbox

    seen: list[Any] = []

    def loss(inputs: Any) -> Any:
        protected.front_end.reseed(0)
        seen.append(model(inputs))
        return ep.crossentropy(seen[-1], ep.astensor(y)).sum()

    _, gradient = ep.value_and_grad(loss, ep.astensor(x))
    return gradient.raw, seen[-1].raw


def _apart(actual: Any, expected: Tensor, floor: float = 1e-12) -> float:
    values = np.asarray(actual.detach().cpu().numpy() if isinstance(actual, Tensor) else actual)
    reference = expected.detach().cpu().numpy()
    assert values.shape == reference.shape, f"shape {values.shape} instead of {reference.shape}"
    return float(np.abs(values - reference).max() / max(np.abs(reference).max(), floor))
