"""ART's attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from frontdef.attacks.library import AttackLibrary, Realisation, Run

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected

Arguments = Callable[["AttackSpec", int], dict[str, Any]]
"""``(spec, number of classes)`` → keyword arguments of an ART attack."""

_NORMS = {"linf": math.inf, "l2": 2, "l1": 1}


class ArtLibrary(AttackLibrary):
    """The Adversarial Robustness Toolbox."""

    name: ClassVar[str] = "art"
    distribution: ClassVar[str] = "adversarial-robustness-toolbox"

    def table(self) -> Mapping[tuple[str, str], Realisation]:
        """What is offered."""
        return TABLE


def _run(attack: str, arguments: Arguments) -> Run:
    """A run of ``art.attacks.evasion.<attack>`` on the whole batch at once."""

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        import torch
        from art.attacks import evasion

        classifier = protected.art_classifier()
        method = getattr(evasion, attack)(classifier, batch_size=len(x), **arguments(spec, classifier.nb_classes))
        # One-hot always: indices raise an IndexError in reduce_labels, and without labels ART attacks its predictions.
        labels = torch.nn.functional.one_hot(y, classifier.nb_classes).float().cpu().numpy()
        return torch.from_numpy(method.generate(x.detach().cpu().numpy().copy(), y=labels)).to(x)

    return run


def _fgsm(spec: AttackSpec, _: int) -> dict[str, Any]:
    # eps_step is read by the minimal search only; equal to eps it passes ART's checks for any radius.
    return {"norm": _NORMS[spec.threat.norm], "eps": spec.threat.eps, "eps_step": spec.threat.eps}


def _steps(spec: AttackSpec, _: int) -> dict[str, Any]:
    return {
        "eps": spec.threat.eps,
        "eps_step": spec.step_size,
        "max_iter": spec.parameters.steps,
        "verbose": False,
    }


def _pgd(spec: AttackSpec, classes: int) -> dict[str, Any]:
    # num_random_init=0 starts at the image; n ≥ 1 makes n runs, each from a random point.
    starts = spec.parameters.restarts if spec.parameters.random_start else 0
    return {**_steps(spec, classes), "norm": _NORMS[spec.threat.norm], "num_random_init": starts}


def _mifgsm(spec: AttackSpec, classes: int) -> dict[str, Any]:
    return {**_steps(spec, classes), "norm": _NORMS[spec.threat.norm], "decay": spec.parameters.decay}


def _cw(spec: AttackSpec, _: int) -> dict[str, Any]:
    return {
        "confidence": spec.parameters.confidence,
        "learning_rate": spec.parameters.lr,
        "max_iter": spec.parameters.steps,
        "initial_const": spec.parameters.initial_const,
        "binary_search_steps": spec.parameters.binary_search_steps,
        "verbose": False,
    }


def _deepfool(spec: AttackSpec, classes: int) -> dict[str, Any]:
    # nb_grads: every class is a candidate, as in the paper and in torchattacks.
    return {
        "max_iter": spec.parameters.steps,
        "epsilon": spec.parameters.overshoot,
        "nb_grads": classes,
        "verbose": False,
    }


_PGD_ONLY = {"loss": "cross-entropy", "fast": False}
_STALL = "steps along the pixel of the largest gradient even where the box holds that pixel"
_UNDERFLOW = "Gradients below about 1e-22 count as zero, because ART's norm squares them in float32."
_RESTARTS = "A later restart overwrites an earlier success on images whose clean prediction is wrong."

TABLE: Mapping[tuple[str, str], Realisation] = {
    ("fgsm", "linf"): Realisation("FastGradientMethod(norm=inf)", _run("FastGradientMethod", _fgsm)),
    ("fgsm", "l2"): Realisation("FastGradientMethod(norm=2)", _run("FastGradientMethod", _fgsm), caveat=_UNDERFLOW),
    ("fgsm", "l1"): Realisation("FastGradientMethod(norm=1)", _run("FastGradientMethod", _fgsm), f"ART {_STALL}."),
    ("bim", "linf"): Realisation("BasicIterativeMethod", _run("BasicIterativeMethod", _steps)),
    ("pgd", "linf"): Realisation(
        "ProjectedGradientDescent(norm=inf)",
        _run("ProjectedGradientDescent", _pgd),
        unsupported=_PGD_ONLY,
        caveat=_RESTARTS,
    ),
    ("pgd", "l2"): Realisation(
        "ProjectedGradientDescent(norm=2)",
        _run("ProjectedGradientDescent", _pgd),
        "ART cuts each step at the box before it projects onto the ball, the others after it.",
        _PGD_ONLY,
        f"{_UNDERFLOW} {_RESTARTS}",
    ),
    ("pgd", "l1"): Realisation(
        "ProjectedGradientDescent(norm=1)",
        _run("ProjectedGradientDescent", _pgd),
        f"ART {_STALL}, and rescales into the ball instead of projecting.",
        _PGD_ONLY,
        _RESTARTS,
    ),
    ("mifgsm", "linf"): Realisation("MomentumIterativeMethod", _run("MomentumIterativeMethod", _mifgsm)),
    ("cw", "l2"): Realisation(
        "CarliniL2Method",
        _run("CarliniL2Method", _cw),
        "ART takes gradient steps with a line search instead of Adam, so pixels near 0 or 1 hardly move, and its "
        "binary search for the constant stalls.",
    ),
    ("deepfool", "l2"): Realisation(
        "DeepFool",
        _run("DeepFool", _deepfool),
        "ART leaves the predicted class whatever the label is, and overshoots once, at the end.",
    ),
}
