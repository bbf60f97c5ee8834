"""torchattacks' attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from frontdef.attacks.library import AttackLibrary, Cause, Realisation, Run
from frontdef.errors import MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected

Arguments = Callable[["AttackSpec"], dict[str, Any]]


class TorchattacksLibrary(AttackLibrary):
    """torchattacks."""

    name: ClassVar[str] = "torchattacks"
    distribution: ClassVar[str] = "torchattacks"

    def table(self) -> Mapping[tuple[str, str], Realisation]:
        """What is offered."""
        return TABLE


def _run(attack: str, arguments: Arguments) -> Run:
    """A run of ``torchattacks.<attack>``; restarts go through its ``MultiAttack``, the way its README shows."""

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        try:
            import torchattacks
        except ImportError:
            raise MissingExtraError("attack library 'torchattacks'", "torchattacks") from None
        method = getattr(torchattacks, attack)(protected, **arguments(spec))
        method.set_device(protected.device)  # found by torchattacks itself only where the model has parameters
        if spec.targeted:
            method.set_mode_targeted_by_label(quiet=True)
        restarts = 1 if spec.defaults else getattr(spec.parameters, "restarts", 1)
        if restarts > 1:
            method = torchattacks.MultiAttack([method] * restarts)
        return cast("Tensor", method(x, y)).detach()

    return run


def _offer(
    attack: str,
    arguments: Arguments,
    minimal: Arguments,
    difference: str = "",
    *causes: Cause,
    unsupported: Mapping[str, Any] | None = None,
    caveat: str = "",
) -> Realisation:
    """A call with every parameter mapped by ``arguments``, and with the threat model alone, by ``minimal``."""
    return Realisation(
        attack, _run(attack, arguments), difference, unsupported, caveat, causes, defaults=_run(attack, minimal)
    )


def _nothing(_: AttackSpec) -> dict[str, Any]:
    return {}


def _fgsm(spec: AttackSpec) -> dict[str, Any]:
    return {"eps": spec.threat.eps}


def _steps(spec: AttackSpec) -> dict[str, Any]:
    return {"eps": spec.threat.eps, "alpha": spec.step_size, "steps": spec.parameters.steps}


def _pgd(spec: AttackSpec) -> dict[str, Any]:
    return {**_steps(spec), "random_start": spec.parameters.random_start}


def _mifgsm(spec: AttackSpec) -> dict[str, Any]:
    return {**_steps(spec), "decay": spec.parameters.decay}


def _cw(spec: AttackSpec) -> dict[str, Any]:
    return {"c": spec.parameters.initial_const, "kappa": 0, "steps": spec.parameters.steps, "lr": spec.parameters.lr}


def _deepfool(spec: AttackSpec) -> dict[str, Any]:
    return {"steps": spec.parameters.steps, "overshoot": spec.parameters.overshoot}


_PGD_ONLY = {"loss": "cross-entropy", "fast": False}

TABLE: Mapping[tuple[str, str], Realisation] = {
    ("fgsm", "linf"): _offer("FGSM", _fgsm, _fgsm),
    ("bim", "linf"): _offer("BIM", _steps, _fgsm),
    ("pgd", "linf"): _offer("PGD", _pgd, _fgsm, unsupported=_PGD_ONLY),
    ("pgd", "l2"): _offer(
        "PGDL2",
        _pgd,
        _fgsm,
        "torchattacks adds 1e-10 to the norm of the batch-averaged gradient, so steps shrink where the classifier is "
        "confident, and its random start has a uniform radius.",
        "step rule",
        "random start",
        unsupported=_PGD_ONLY,
    ),
    ("mifgsm", "linf"): _offer(
        "MIFGSM",
        _mifgsm,
        _fgsm,
        caveat="After one gradient that is exactly zero an image's momentum is NaN, and it never moves again.",
    ),
    ("cw", "l2"): _offer(
        "CW",
        _cw,
        _nothing,
        "torchattacks never moves pixels that are exactly 0 or 1, reads negative logits as 0, and stops the whole "
        "batch on its summed loss.",
        "clipping",
        "loss",
        "early stop",
        # It keeps the closest misclassified iterate whatever its margin, so kappa is no confidence of the result.
        unsupported={"confidence": 0.0, "binary_search_steps": 1},
    ),
    ("deepfool", "l2"): _offer(
        "DeepFool",
        _deepfool,
        _nothing,
        "torchattacks overshoots each step from the clipped step before, and without the authors' extra 1e-4, so "
        "examples end on the boundary itself.",
        "overshoot",
        "clipping",
        caveat="An image whose gradients are zero comes back as NaN.",
    ),
}
