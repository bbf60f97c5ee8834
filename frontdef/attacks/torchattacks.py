"""torchattacks' attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from frontdef.attacks.library import AttackLibrary, Realisation, Run
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
        restarts = getattr(spec.parameters, "restarts", 1)
        if restarts > 1:
            method = torchattacks.MultiAttack([method] * restarts)
        return cast("Tensor", method(x, y)).detach()

    return run


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
    ("fgsm", "linf"): Realisation("FGSM", _run("FGSM", _fgsm)),
    ("bim", "linf"): Realisation("BIM", _run("BIM", _steps)),
    ("pgd", "linf"): Realisation("PGD", _run("PGD", _pgd), unsupported=_PGD_ONLY),
    ("pgd", "l2"): Realisation(
        "PGDL2",
        _run("PGDL2", _pgd),
        "torchattacks adds 1e-10 to the norm of the batch-averaged gradient, so steps shrink where the classifier is "
        "confident, and its random start has a uniform radius.",
        _PGD_ONLY,
    ),
    ("mifgsm", "linf"): Realisation(
        "MIFGSM",
        _run("MIFGSM", _mifgsm),
        caveat="After one gradient that is exactly zero an image's momentum is NaN, and it never moves again.",
    ),
    ("cw", "l2"): Realisation(
        "CW",
        _run("CW", _cw),
        "torchattacks never moves pixels that are exactly 0 or 1, reads negative logits as 0, and stops the whole "
        "batch on its summed loss.",
        # It keeps the closest misclassified iterate whatever its margin, so kappa is no confidence of the result.
        {"confidence": 0.0, "binary_search_steps": 1},
    ),
    ("deepfool", "l2"): Realisation(
        "DeepFool",
        _run("DeepFool", _deepfool),
        "torchattacks overshoots each step from the clipped step before, and without the authors' extra 1e-4, so "
        "examples end on the boundary itself.",
        caveat="An image whose gradients are zero comes back as NaN.",
    ),
}
