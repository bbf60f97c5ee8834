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

from typing import Any

import numpy as np
import torch
from art.attacks import EvasionAttack
from art.estimators.classification import PyTorchClassifier
from torch import Tensor

from frontdef.attacks.native.artattack import NativeAttack
from frontdef.attacks.native.autopgd import apgd
from frontdef.attacks.native.cascade import CascadeOutcome, cascade
from frontdef.attacks.native.eotpgd import Reading, eotpgd
from frontdef.attacks.native.estimator import Pipeline, Units, check_estimator, undefended
from frontdef.attacks.native.locallylinear import Input, Knowledge, WorstPair, locally_linear
from frontdef.attacks.native.noise import noise
from frontdef.attacks.native.pgd import pgd
from frontdef.attacks.native.smoothpgd import smoothpgd
from frontdef.attacks.native.stages import STAGES, CascadeStage
from frontdef.attacks.spec import Loss
from frontdef.errors import ConfigError
from frontdef.threat import ThreatModel

_BALL = ["norm", "eps", "eps_step", "max_iter", "targeted", "batch_size"]


class PGD(NativeAttack):
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

    def _run(self, model: Units, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return pgd(
            model, x, y, threat=threat, steps=self.max_iter, step_size=self.eps_step / width,
            random_start=self.num_random_init > 0, restarts=max(1, self.num_random_init), loss=self.loss,
            targeted=self.targeted, mode="fast" if self.fast else "matched",
        )  # fmt: skip


class AutoPGD(NativeAttack):
    """Auto-PGD on survivors only; see `frontdef.attacks.native.autopgd.apgd`.

    Args:
        estimator: The classifier.
        norm: ``np.inf``, ``"inf"``, 2 or 1.
        eps: Radius, in the units of ``clip_values``.
        max_iter: Gradient steps a run.
        targeted: Whether the labels are those to reach.
        num_random_init: Runs, each from a random point.
        batch_size: Images a batch.
        loss: ``cross-entropy``, ``margin`` or ``dlr``; none of them saturates.

    Raises:
        ConfigError: A parameter out of range, or a classifier that can't be attacked so.
        EstimatorError: No `PyTorchClassifier`.
    """

    attack_params = [  # noqa: RUF012
        *EvasionAttack.attack_params, "norm", "eps", "max_iter", "targeted", "num_random_init", "batch_size", "loss",
    ]  # fmt: skip

    def __init__(
        self,
        estimator: PyTorchClassifier,
        norm: float | str = np.inf,
        eps: float = 0.3,
        max_iter: int = 100,
        targeted: bool = False,
        num_random_init: int = 1,
        batch_size: int = 256,
        loss: Loss = "cross-entropy",
    ) -> None:
        super().__init__(
            estimator, norm=norm, eps=eps, max_iter=max_iter, targeted=targeted, num_random_init=num_random_init,
            batch_size=batch_size, loss=loss,
        )  # fmt: skip

    def _run(self, model: Units, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return apgd(
            model, x, y, threat=threat, steps=self.max_iter, restarts=max(1, self.num_random_init), loss=self.loss,
            targeted=self.targeted,
        )  # fmt: skip


class Cascade(NativeAttack):
    """Attacks in stages, each on what the ones before have left; see `frontdef.attacks.native.cascade.cascade`.

    After `generate`, ``outcomes`` says of each batch which stage broke which image and what each stage cost.

    Args:
        estimator: The classifier.
        norm: ``np.inf``, ``"inf"``, 2 or 1.
        eps: Radius, in the units of ``clip_values``.
        stages: What is run, in order; a table as `frontdef.attacks.native.stages.STAGES`.
        batch_size: Images a batch.

    Raises:
        ConfigError: A parameter out of range, or a classifier that can't be attacked so.
        EstimatorError: No `PyTorchClassifier`.
    """

    attack_params = [*EvasionAttack.attack_params, "norm", "eps", "stages", "batch_size"]  # noqa: RUF012

    def __init__(
        self,
        estimator: PyTorchClassifier,
        norm: float | str = np.inf,
        eps: float = 0.3,
        stages: tuple[CascadeStage, ...] = STAGES,
        batch_size: int = 256,
    ) -> None:
        self.outcomes: list[CascadeOutcome] = []
        super().__init__(estimator, norm=norm, eps=eps, stages=stages, batch_size=batch_size)

    def generate(self, x: np.ndarray, y: np.ndarray | None = None, **kwargs: Any) -> np.ndarray:
        """Attack, as `NativeAttack.generate`; ``outcomes`` begins anew."""
        self.outcomes = []
        return super().generate(x, y, **kwargs)

    def _run(self, model: Units, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        self.outcomes.append(cascade(model, x, y, threat=threat, stages=self.stages))
        return self.outcomes[-1].examples


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
        return undefended(self.estimator)

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


class EOTPGD(NativeAttack):
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

    def _run(self, model: Units, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return eotpgd(
            model, x, y, threat=threat, steps=self.max_iter, step_size=self.eps_step / width, draws=self.draws,
            reading=self.reading, random_start=self.random_start, loss=self.loss, targeted=self.targeted,
        )  # fmt: skip


class SmoothPGD(NativeAttack):
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

    def _run(self, model: Units, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return smoothpgd(
            model, x, y, threat=threat, steps=self.max_iter, step_size=self.eps_step / width, neighbors=self.neighbors,
            radius=self.radius / width, random_start=self.random_start, loss=self.loss, targeted=self.targeted,
        )  # fmt: skip


class LocallyLinear(NativeAttack):
    """The locally linear attack, in ℓ∞; see `frontdef.attacks.native.locallylinear.locally_linear`.

    The front end is what ``preprocessing_defences`` do. Without labels the predictions are the classes to leave.

    Args:
        estimator: The classifier.
        eps: Radius, in the units of ``clip_values``.
        eps_step: δ, in these units; None is ``eps`` for one step and a tenth of it for more.
        max_iter: Steps; 1 is the paper's attack, more are its iterative version.
        knowledge: ``white`` goes through the preprocessing defences, ``semi-white`` leaves them out; they must then
            keep the shape of the images.
        x1: Where the locally linear model is taken: at the iterate, ``current``, or at the image, ``clean``.
        x2: Where the preprocessing defences are linearized, likewise; white box only.
        worst_pair: ``run`` chooses the worst of the wrong classes after all steps, ``step`` after each.
        batch_size: Images a batch.

    Raises:
        ConfigError: A parameter out of range, an ``x2`` for a semi-white box attack, or a classifier that can't be
            attacked so.
        EstimatorError: No `PyTorchClassifier`.
    """

    attack_params = [  # noqa: RUF012
        *EvasionAttack.attack_params, "eps", "eps_step", "max_iter", "knowledge", "x1", "x2", "worst_pair",
        "batch_size",
    ]  # fmt: skip
    norm = np.inf
    _may_be_none = ("eps_step",)

    def __init__(
        self,
        estimator: PyTorchClassifier,
        eps: float = 0.3,
        eps_step: float | None = None,
        max_iter: int = 1,
        knowledge: Knowledge = "white",
        x1: Input = "current",
        x2: Input = "current",
        worst_pair: WorstPair = "run",
        batch_size: int = 256,
    ) -> None:
        super().__init__(
            estimator, eps=eps, eps_step=eps_step, max_iter=max_iter, knowledge=knowledge, x1=x1, x2=x2,
            worst_pair=worst_pair, batch_size=batch_size,
        )  # fmt: skip

    def _run(self, model: Units, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        step = self.eps_step or (self.eps if self.max_iter == 1 else self.eps / 10)
        if self.knowledge == "semi-white":
            self._check_shape(model, x)
        return locally_linear(
            model, x, y, threat=threat, steps=self.max_iter, step_size=step / width, x1=self.x1,
            x2=self.x1 if self.knowledge == "semi-white" else self.x2, worst_pair=self.worst_pair, apart=model.apart,
        )  # fmt: skip

    def _target(self) -> Pipeline:
        return undefended(self.estimator) if self.knowledge == "semi-white" else super()._target()

    def _check_params(self) -> None:
        super()._check_params()
        if self.knowledge == "semi-white" and self.x2 != "current":
            raise ConfigError(
                f"LocallyLinear: x2={self.x2!r} is where the defenses are linearized, which a semi-white attacker does "
                "not know: leave it out, or set knowledge='white'"
            )

    def _check_shape(self, model: Units, x: Tensor) -> None:
        whole = Units(super()._target(), model.low, model.width)
        with torch.no_grad():
            read = whole.prepare(x[:1])
        if read.shape[1:] != x.shape[1:]:
            raise ConfigError(
                f"the classifier reads {tuple(read.shape[1:])}, what its preprocessing defences make of "
                f"{tuple(x.shape[1:])}, so it cannot be attacked without them: knowledge='white'"
            )


class Noise(NativeAttack):
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

    def _run(self, model: Units, x: Tensor, y: Tensor, threat: ThreatModel, width: float) -> Tensor:
        return noise(model, x, y, threat=threat, draws=self.draws)
