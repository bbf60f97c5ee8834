"""What the native attacks share as ART attacks: the checks, the units, the batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, get_args

import numpy as np
import torch
from art.attacks import EvasionAttack
from art.config import ART_NUMPY_DTYPE
from art.estimators.classification import PyTorchClassifier
from art.utils import check_and_transform_label_format
from torch import Tensor

from frontdef.attacks.native.eotpgd import READINGS
from frontdef.attacks.native.estimator import Pipeline, Units, check_estimator, resting, value_range
from frontdef.attacks.native.locallylinear import Input, Knowledge, WorstPair
from frontdef.attacks.native.losses import LOSSES
from frontdef.attacks.native.stages import CascadeStage
from frontdef.errors import ConfigError
from frontdef.threat import Norm, ThreatModel

_NORMS: Mapping[Any, Norm] = {math.inf: "linf", "inf": "linf", 2: "l2", 1: "l1"}


def _count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and int(value) >= 1


def _number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(float(value))


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _one_of(names: Any) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in get_args(names), f"one of {', '.join(get_args(names))}"


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "norm": (lambda value: value in _NORMS, "np.inf, 'inf', 2 or 1"),
    "eps": (lambda value: _number(value) and value >= 0, "one number, at least 0, in the units of clip_values"),
    "eps_step": (lambda value: _number(value) and value > 0, "one number above 0, in the units of clip_values"),
    "radius": (lambda value: _number(value) and value > 0, "one number above 0, in the units of clip_values"),
    "max_iter": (_count, "a number of steps, at least 1"),
    "num_random_init": (lambda value: value == 0 or _count(value), "0 to start at the image, or a number of runs"),
    "random_start": (_flag, "True or False"),
    "targeted": (_flag, "True or False"),
    "fast": (_flag, "True or False"),
    "batch_size": (_count, "a number of images, at least 1"),
    "draws": (_count, "a number of draws, at least 1"),
    "neighbors": (_count, "a number of points, at least 1"),
    "loss": (lambda value: value in LOSSES, f"one of {', '.join(LOSSES)}"),
    "reading": (lambda value: value in READINGS, f"one of {', '.join(READINGS)}"),
    "knowledge": _one_of(Knowledge),
    "x1": _one_of(Input),
    "x2": _one_of(Input),
    "worst_pair": _one_of(WorstPair),
    "stages": (
        lambda value: bool(value) and all(isinstance(stage, CascadeStage) for stage in value),
        "some Stage of frontdef.attacks.native.stages, in order",
    ),
}
"""Parameter → which values it takes, as a test and in words."""


class NativeAttack(EvasionAttack):  # type: ignore[misc]
    """What the attacks share: the checks, the units, the batches. A subclass says what is run on a batch."""

    _estimator_requirements = (PyTorchClassifier,)
    _may_be_none: tuple[str, ...] = ()

    def __init__(self, estimator: PyTorchClassifier, **parameters: Any) -> None:
        super().__init__(estimator=estimator)
        for name, value in parameters.items():
            setattr(self, name, value)
        self._check_params()

    def generate(self, x: np.ndarray, y: np.ndarray | None = None, **kwargs: Any) -> np.ndarray:
        """Attack.

        Args:
            x: Images ``(N,…)`` within the classifier's ``clip_values``.
            y: Labels to leave, or with ``targeted`` to reach: ``(N,)`` or one-hot ``(N,K)``; None takes predictions.
            kwargs: None is known.

        Returns:
            Examples, float32, of the shape of ``x``.

        Raises:
            ConfigError: Images outside ``clip_values``, no labels for a targeted attack, or unknown arguments.
        """
        if kwargs:
            raise ConfigError(f"{type(self).__name__} knows no {', '.join(kwargs)} (ART's masks are not supported)")
        x = np.array(x, dtype=ART_NUMPY_DTYPE)
        low, width = value_range(self.estimator)
        images = (torch.from_numpy(x) - low) / width
        if images.min() < 0 or images.max() > 1:
            raise ConfigError(
                f"the images are in [{x.min():.4g}, {x.max():.4g}], outside the classifier's clip_values "
                f"{tuple(np.asarray(value).tolist() for value in self.estimator.clip_values)}"
            )
        if self.eps == 0:
            return x
        norm, target = _NORMS[self.norm], self._target()
        threat = ThreatModel(norm, min(self.eps / width, 1.0) if norm == "linf" else self.eps / width)
        device = target.estimator.device
        model = Units(target, low.to(device), width)
        with resting(self.estimator.model), resting(target.estimator.model):
            labels = torch.from_numpy(self._labels(x, y))
            batches = zip(images.split(self.batch_size), labels.split(self.batch_size), strict=True)
            examples = [
                self._run(model, batch.to(device), batch_labels.to(device), threat, width).cpu()
                for batch, batch_labels in batches
            ]
        return np.asarray((low + torch.cat(examples) * width).numpy())

    def _run(self, model: Units, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        raise NotImplementedError

    def _target(self) -> Pipeline:
        """The model whose gradient is followed."""
        return Pipeline(self.estimator, self.estimator.preprocessing_operations)

    def _labels(self, x: np.ndarray, y: np.ndarray | None) -> np.ndarray:
        if y is None:
            if self.targeted:
                raise ConfigError("a targeted attack needs the labels to reach: generate(x, y)")
            y = self.estimator.predict(x, batch_size=self.batch_size)
        one_hot = check_and_transform_label_format(y, nb_classes=self.estimator.nb_classes)
        return np.asarray(np.argmax(one_hot, axis=1))

    def _check_params(self) -> None:
        for name in self.attack_params:
            value = getattr(self, name)
            if value is None and name in self._may_be_none:
                continue
            if name in _RULES and not _RULES[name][0](value):
                raise ConfigError(f"{type(self).__name__}: {name} is {_RULES[name][1]}, got {value!r}")
        if self.targeted and getattr(self, "loss", None) == "dlr":
            raise ConfigError("the DLR loss has no target: take loss='margin'")
        check_estimator(self.estimator)
