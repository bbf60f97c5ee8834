"""The native attacks as ART attacks, for any ART `PyTorchClassifier`, with or without frontdef's defenses in it.

``PGD(classifier, eps=0.3, eps_step=0.03, max_iter=100, num_random_init=20).generate(x, y)``. ART's conventions hold:
images and ε are in the units of the classifier's ``clip_values``, labels are one-hot or indices, and without labels the
classifier's predictions are attacked. Random starts come from torch's global generator, not from numpy's.

The gradient goes through every preprocessor, also where ART's own attacks lose it: a torch preprocessor that overrides
``estimate_forward`` gives the value of its ``forward`` and the gradient of that estimate, which ART 1.20.1 never calls
for. Postprocessing defences are left out of logits and gradients, as they are in ART's attacks.

Refused, because the attack would then see another model than the one that predicts: preprocessors that are not written
in torch, classifiers that override ``predict`` or ``loss_gradient`` (randomized smoothing), a single output, no
``clip_values``, and ``clip_values`` whose range differs from value to value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from art.attacks import EvasionAttack
from art.config import ART_NUMPY_DTYPE
from art.estimators.classification import PyTorchClassifier
from art.utils import check_and_transform_label_format
from torch import Tensor, nn

from frontdef.attacks.native.eotpgd import READINGS, Reading, eotpgd
from frontdef.attacks.native.estimator import Pipeline, Units, check_estimator, resting, value_range
from frontdef.attacks.native.losses import LOSSES
from frontdef.attacks.native.noise import noise
from frontdef.attacks.native.pgd import pgd
from frontdef.attacks.native.smoothpgd import smoothpgd
from frontdef.attacks.spec import Loss
from frontdef.errors import ConfigError
from frontdef.threat import Norm, ThreatModel

_NORMS: Mapping[Any, Norm] = {math.inf: "linf", "inf": "linf", 2: "l2", 1: "l1"}


def _count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and int(value) >= 1


def _number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(float(value))


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


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
}
"""Parameter → which values it takes, as a test and in words."""


class _Attack(EvasionAttack):  # type: ignore[misc]
    """What the attacks share: the checks, the units, the batches. A subclass says what is run on a batch."""

    _estimator_requirements = (PyTorchClassifier,)

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
            parts = zip(images.split(self.batch_size), labels.split(self.batch_size), strict=True)
            found = [self._run(model, part.to(device), of.to(device), threat, width).cpu() for part, of in parts]
        return np.asarray((low + torch.cat(found) * width).numpy())

    def _run(self, model: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
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
            if name in _RULES and not _RULES[name][0](getattr(self, name)):
                raise ConfigError(f"{type(self).__name__}: {name} is {_RULES[name][1]}, got {getattr(self, name)!r}")
        if self.targeted and getattr(self, "loss", None) == "dlr":
            raise ConfigError("the DLR loss has no target: take loss='margin'")
        check_estimator(self.estimator)


_BALL = ["norm", "eps", "eps_step", "max_iter", "targeted", "batch_size"]


class PGD(_Attack):
    """Projected gradient descent (Madry et al. 2018, arXiv:1706.06083); see `frontdef.attacks.native.pgd.pgd`.

    Args:
        estimator: The classifier.
        norm: ``np.inf``, ``"inf"``, 2 or 1.
        eps: Radius, in the units of ``clip_values``.
        eps_step: Length of a step in the norm, in these units.
        max_iter: Gradient steps.
        targeted: Whether the labels are those to reach.
        num_random_init: 0 starts at the image; n ≥ 1 makes n runs, each from a random point.
        batch_size: Images a batch.
        loss: ``cross-entropy``, ``margin`` or ``dlr``; the classifier's own loss is not used.
        fast: Leave a sample alone once it is where it should be. False runs every step on every sample, as ART does,
            and gives the examples of ART's PGD where neither starts at random.

    Raises:
        ConfigError: A parameter out of range, or a classifier that can't be attacked so.
        EstimatorError: No `PyTorchClassifier`.
    """

    attack_params = [*EvasionAttack.attack_params, *_BALL, "num_random_init", "loss", "fast"]  # noqa: RUF012

    def __init__(
        self,
        estimator: PyTorchClassifier,
        norm: float | str = np.inf,
        eps: float = 0.3,
        eps_step: float = 0.1,
        max_iter: int = 100,
        targeted: bool = False,
        num_random_init: int = 0,
        batch_size: int = 256,
        loss: Loss = "cross-entropy",
        fast: bool = True,
    ) -> None:
        super().__init__(
            estimator, norm=norm, eps=eps, eps_step=eps_step, max_iter=max_iter, targeted=targeted,
            num_random_init=num_random_init, batch_size=batch_size, loss=loss, fast=fast,
        )  # fmt: skip

    def _run(self, model: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return pgd(
            model, x, y, threat=threat, steps=self.max_iter, step_size=self.eps_step / width,
            random_start=self.num_random_init > 0, restarts=max(1, self.num_random_init), loss=self.loss,
            targeted=self.targeted, mode="fast" if self.fast else "matched",
        )  # fmt: skip


class Transfer(PGD):
    """`PGD` on another classifier; without one, on the same without its preprocessing defences (semi-white box).

    Args:
        estimator: The classifier that the examples are for; attacked where no labels are given: its predictions.
        surrogate: The classifier that is attacked, of the same images, classes and ``clip_values``; None takes the
            estimator without its preprocessing defences, which must then keep the shape of the images.
        parameters: Those of `PGD`.

    Raises:
        ConfigError: As for `PGD`, or a surrogate with other ``clip_values``.
    """

    attack_params = [*PGD.attack_params, "surrogate"]  # noqa: RUF012

    def __init__(
        self, estimator: PyTorchClassifier, surrogate: PyTorchClassifier | None = None, **parameters: Any
    ) -> None:
        self.surrogate = surrogate
        super().__init__(estimator, **parameters)

    def _target(self) -> Pipeline:
        if self.surrogate is not None:
            return Pipeline(self.surrogate, self.surrogate.preprocessing_operations)
        defenses = self.estimator.preprocessing_defences or []
        return Pipeline(self.estimator, [one for one in self.estimator.preprocessing_operations if one not in defenses])

    def _check_params(self) -> None:
        super()._check_params()
        if self.surrogate is None:
            return
        check_estimator(self.surrogate)
        if not np.array_equal(self.surrogate.clip_values, self.estimator.clip_values):
            raise ConfigError(
                f"the surrogate's clip_values {self.surrogate.clip_values} are not those of the classifier, "
                f"{self.estimator.clip_values}: rescale the images inside the surrogate"
            )


class EOTPGD(_Attack):
    """PGD on an expectation over a randomized classifier; see `frontdef.attacks.native.eotpgd.eotpgd`.

    Args:
        estimator: The classifier.
        norm: ``np.inf``, ``"inf"``, 2 or 1.
        eps: Radius, in the units of ``clip_values``.
        eps_step: Length of a step in the norm, in these units.
        max_iter: Gradient steps.
        targeted: Whether the labels are those to reach.
        random_start: Start at a random point of the ball instead of the image.
        draws: Draws of the classifier, a step.
        reading: ``mean`` or ``normalized``.
        batch_size: Images a batch.
        loss: ``cross-entropy``, ``margin`` or ``dlr``.

    Raises:
        ConfigError: A parameter out of range, or a classifier that can't be attacked so.
        EstimatorError: No `PyTorchClassifier`.
    """

    attack_params = [  # noqa: RUF012
        *EvasionAttack.attack_params, *_BALL, "random_start", "draws", "reading", "loss",
    ]  # fmt: skip

    def __init__(
        self,
        estimator: PyTorchClassifier,
        norm: float | str = np.inf,
        eps: float = 0.3,
        eps_step: float = 0.1,
        max_iter: int = 100,
        targeted: bool = False,
        random_start: bool = False,
        draws: int = 10,
        reading: Reading = "mean",
        batch_size: int = 256,
        loss: Loss = "cross-entropy",
    ) -> None:
        super().__init__(
            estimator, norm=norm, eps=eps, eps_step=eps_step, max_iter=max_iter, targeted=targeted,
            random_start=random_start, draws=draws, reading=reading, batch_size=batch_size, loss=loss,
        )  # fmt: skip

    def _run(self, model: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return eotpgd(
            model, x, y, threat=threat, steps=self.max_iter, step_size=self.eps_step / width, draws=self.draws,
            reading=self.reading, random_start=self.random_start, loss=self.loss, targeted=self.targeted,
        )  # fmt: skip


class SmoothPGD(_Attack):
    """PGD on gradients averaged over a neighborhood; see `frontdef.attacks.native.smoothpgd.smoothpgd`.

    Args:
        estimator: The classifier.
        norm: ``np.inf``, ``"inf"``, 2 or 1.
        eps: Radius, in the units of ``clip_values``.
        eps_step: Length of a step in the norm, in these units.
        max_iter: Gradient steps.
        targeted: Whether the labels are those to reach.
        random_start: Start at a random point of the ball instead of the image.
        neighbors: Points, a step.
        radius: How far away they are at most, in the units of ``clip_values``.
        batch_size: Images a batch.
        loss: ``cross-entropy``, ``margin`` or ``dlr``.

    Raises:
        ConfigError: A parameter out of range, or a classifier that can't be attacked so.
        EstimatorError: No `PyTorchClassifier`.
    """

    attack_params = [  # noqa: RUF012
        *EvasionAttack.attack_params, *_BALL, "random_start", "neighbors", "radius", "loss",
    ]  # fmt: skip

    def __init__(
        self,
        estimator: PyTorchClassifier,
        norm: float | str = np.inf,
        eps: float = 0.3,
        eps_step: float = 0.1,
        max_iter: int = 100,
        targeted: bool = False,
        random_start: bool = False,
        neighbors: int = 10,
        radius: float = 0.1,
        batch_size: int = 256,
        loss: Loss = "cross-entropy",
    ) -> None:
        super().__init__(
            estimator, norm=norm, eps=eps, eps_step=eps_step, max_iter=max_iter, targeted=targeted,
            random_start=random_start, neighbors=neighbors, radius=radius, batch_size=batch_size, loss=loss,
        )  # fmt: skip

    def _run(self, model: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return smoothpgd(
            model, x, y, threat=threat, steps=self.max_iter, step_size=self.eps_step / width, neighbors=self.neighbors,
            radius=self.radius / width, random_start=self.random_start, loss=self.loss, targeted=self.targeted,
        )  # fmt: skip


class Noise(_Attack):
    """Uniform random noise, the baseline; see `frontdef.attacks.native.noise.noise`.

    Args:
        estimator: The classifier.
        norm: ``np.inf``, ``"inf"``, 2 or 1.
        eps: Radius, in the units of ``clip_values``.
        draws: Draws a sample; the first that is misclassified is returned.
        batch_size: Images a batch.

    Raises:
        ConfigError: A parameter out of range, or a classifier that can't be attacked so.
        EstimatorError: No `PyTorchClassifier`.
    """

    attack_params = [*EvasionAttack.attack_params, "norm", "eps", "draws", "batch_size"]  # noqa: RUF012

    def __init__(
        self,
        estimator: PyTorchClassifier,
        norm: float | str = np.inf,
        eps: float = 0.3,
        draws: int = 10,
        batch_size: int = 256,
    ) -> None:
        super().__init__(estimator, norm=norm, eps=eps, draws=draws, batch_size=batch_size)

    def _run(self, model: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return noise(model, x, y, threat=threat, draws=self.draws)
