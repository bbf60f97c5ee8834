"""ART's attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from frontdef.attacks.library import AttackLibrary, Cause, Realisation, Run

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
        given = {**arguments(spec, classifier.nb_classes), **({"targeted": True} if spec.targeted else {})}
        if not spec.defaults:
            given["batch_size"] = len(x)
        method = getattr(evasion, attack)(classifier, **given)
        # One-hot always: indices raise an IndexError in reduce_labels, and without labels ART attacks its predictions.
        # A targeted attack takes them as the classes to reach.
        labels = torch.nn.functional.one_hot(y, classifier.nb_classes).float().cpu().numpy()
        return torch.from_numpy(method.generate(x.detach().cpu().numpy().copy(), y=labels)).to(x)

    return run


def _offer(
    call: str,
    arguments: Arguments,
    minimal: Arguments,
    difference: str = "",
    *causes: Cause,
    unsupported: Mapping[str, Any] | None = None,
    caveat: str = "",
) -> Realisation:
    """A call with every parameter mapped by ``arguments``, and with the threat model alone, by ``minimal``."""
    attack = call.partition("(")[0]
    return Realisation(
        call, _run(attack, arguments), difference, unsupported, caveat, causes, defaults=_run(attack, minimal)
    )


def _quiet(_: AttackSpec, __: int) -> dict[str, Any]:
    return {"verbose": False}


def _radius(spec: AttackSpec, _: int) -> dict[str, Any]:
    return {"eps": spec.threat.eps, "verbose": False}


def _ball(spec: AttackSpec, _: int) -> dict[str, Any]:
    return {"eps": spec.threat.eps, "norm": _NORMS[spec.threat.norm], "verbose": False}


def _fgsm_ball(spec: AttackSpec, _: int) -> dict[str, Any]:
    return {"eps": spec.threat.eps, "norm": _NORMS[spec.threat.norm]}


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
    ("fgsm", "linf"): _offer("FastGradientMethod(norm=inf)", _fgsm, _fgsm_ball),
    ("fgsm", "l2"): _offer("FastGradientMethod(norm=2)", _fgsm, _fgsm_ball, caveat=_UNDERFLOW),
    ("fgsm", "l1"): _offer("FastGradientMethod(norm=1)", _fgsm, _fgsm_ball, f"ART {_STALL}.", "step rule"),
    ("bim", "linf"): _offer("BasicIterativeMethod", _steps, _radius),
    ("pgd", "linf"): _offer("ProjectedGradientDescent(norm=inf)", _pgd, _ball, unsupported=_PGD_ONLY, caveat=_RESTARTS),
    ("pgd", "l2"): _offer(
        "ProjectedGradientDescent(norm=2)",
        _pgd,
        _ball,
        "ART cuts each step at the box before it projects onto the ball, the others after it.",
        "projection",
        unsupported=_PGD_ONLY,
        caveat=f"{_UNDERFLOW} {_RESTARTS}",
    ),
    ("pgd", "l1"): _offer(
        "ProjectedGradientDescent(norm=1)",
        _pgd,
        _ball,
        f"ART {_STALL}, and rescales into the ball instead of projecting.",
        "step rule",
        "projection",
        unsupported=_PGD_ONLY,
        caveat=_RESTARTS,
    ),
    ("mifgsm", "linf"): _offer("MomentumIterativeMethod", _mifgsm, _ball),
    ("cw", "l2"): _offer(
        "CarliniL2Method",
        _cw,
        _quiet,
        "ART takes gradient steps with a line search instead of Adam, so pixels near 0 or 1 hardly move, and its "
        "binary search for the constant stalls.",
        "optimizer",
        "search",
    ),
    ("deepfool", "l2"): _offer(
        "DeepFool",
        _deepfool,
        _quiet,
        "ART leaves the predicted class whatever the label is, and overshoots once, at the end.",
        "labels",
        "overshoot",
    ),
}
