"""An ART classifier as the module that the native attacks take, gradients through its preprocessors included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from art.config import ART_NUMPY_DTYPE
from art.defences.preprocessor.preprocessor import PreprocessorPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from frontdef.bpda import replace_gradient
from frontdef.errors import ConfigError


class Pipeline(nn.Module):
    """An ART classifier as a module: images in its own units in, logits out.

    Args:
        estimator: The classifier.
        operations: Those of its preprocessors that are applied.
    """

    def __init__(self, estimator: PyTorchClassifier, operations: Sequence[PreprocessorPyTorch]) -> None:
        super().__init__()
        self.estimator = estimator
        self.operations = [operation for operation in operations if operation.apply_predict]

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,K)``."""
        return self.read(self.prepare(x))

    def prepare(self, x: Tensor) -> Tensor:
        """What the preprocessors make of images."""
        for operation in self.operations:
            x = _preprocess(operation, x)
        return x

    def read(self, prepared: Tensor) -> Tensor:
        """Logits ``(N,K)`` of what the preprocessors put out."""
        logits: Tensor = self.estimator._model(prepared)[-1]
        return logits


def undefended(estimator: PyTorchClassifier) -> Pipeline:
    """The classifier without its ``preprocessing_defences``; its standardization stays."""
    defenses = estimator.preprocessing_defences or []
    return Pipeline(
        estimator, [operation for operation in estimator.preprocessing_operations if operation not in defenses]
    )


def _preprocess(operation: PreprocessorPyTorch, x: Tensor) -> Tensor:
    value: Tensor = operation.forward(x, None)[0]
    if type(operation).estimate_forward is PreprocessorPyTorch.estimate_forward:
        return value
    estimate: Tensor = operation.estimate_forward(x)
    return value.detach() + (estimate - estimate.detach())


class Units(nn.Module):
    """A pipeline for images in [0,1].

    Args:
        pipeline: Takes images in the classifier's units.
        low: What 0 stands for, in these units.
        width: What 1 stands for, less ``low``.
    """

    def __init__(self, pipeline: Pipeline, low: Tensor, width: float) -> None:
        super().__init__()
        self.pipeline, self.low, self.width = pipeline, low, width

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,K)``."""
        return self.pipeline.read(self.prepare(x))

    def prepare(self, x: Tensor) -> Tensor:
        """What the preprocessors make of images in [0,1], in the classifier's units."""
        return self.pipeline.prepare(self.low + x * self.width)

    def apart(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Logits ``(N,K)`` of ``x1``; the gradient passes through the preprocessors at ``x2``, and goes to it."""
        return self.pipeline.read(replace_gradient(self.prepare(x1), self.prepare(x2)))


def value_range(estimator: PyTorchClassifier) -> tuple[Tensor, float]:
    """Smallest values and width of the box of ``clip_values``."""
    low, high = (torch.as_tensor(np.asarray(value, dtype=ART_NUMPY_DTYPE)) for value in estimator.clip_values)
    return low, float((high - low).max())


@contextmanager
def resting(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and frozen parameters; both are given back as they were."""
    modes = {module: module.training for module in model.modules()}
    flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)


def check_estimator(estimator: PyTorchClassifier) -> None:
    """Refuse a classifier of which the attack would see another model than the one that predicts.

    Raises:
        ConfigError: It is one.
    """
    name = type(estimator).__name__
    own = [
        method
        for method in ("predict", "loss_gradient")
        if getattr(type(estimator), method) is not getattr(PyTorchClassifier, method)
    ]
    if own:
        raise ConfigError(
            f"{name} has a {' and a '.join(own)} of its own, so its logits are not what the attack would see: attack "
            "it with ART's attacks, or put its model into a PyTorchClassifier"
        )
    foreign = [
        type(operation).__name__
        for operation in estimator.preprocessing_operations
        if not hasattr(operation, "estimate_forward")
    ]
    if foreign or not estimator.all_framework_preprocessing:
        raise ConfigError(
            f"the gradient does not pass through {', '.join(foreign)}, which is not written in torch: take its torch "
            "variant (…PyTorch), or a front end of frontdef (`frontdef ls defenses` lists them)"
        )
    if estimator.clip_values is None:
        raise ConfigError(
            "the classifier has no clip_values, so images have no range: PyTorchClassifier(clip_values=…)"
        )
    low, high = (np.asarray(value) for value in estimator.clip_values)
    widths = np.unique(high - low)
    if len(widths) > 1:
        raise ConfigError(
            f"clip_values are {widths.min():.4g} to {widths.max():.4g} wide, so one ε means different things for "
            "different values: rescale the images"
        )
    if estimator.nb_classes < 2:
        raise ConfigError("a classifier with one output has no logits of two classes: give it two outputs")
