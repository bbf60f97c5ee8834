"""foolbox's attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

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


class FoolboxLibrary(AttackLibrary):
    """foolbox 3."""

    name: ClassVar[str] = "foolbox"
    distribution: ClassVar[str] = "foolbox"

    def table(self) -> Mapping[tuple[str, str], Realisation]:
        """What is offered."""
        return TABLE


def _run(attack: str, arguments: Arguments) -> Run:
    """A run of ``foolbox.attacks.<attack>``.

    The raw examples are returned, before foolbox clips them into the ball, so that what leaves it is seen.
    """

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        try:
            import foolbox
        except ImportError:
            raise MissingExtraError("attack library 'foolbox'", "foolbox") from None
        method = getattr(foolbox.attacks, attack)(**arguments(spec))
        restarts = getattr(spec.parameters, "restarts", 1)
        eps = None if spec.family.minimum_norm else spec.threat.eps
        raw, _, _ = (method.repeat(restarts) if restarts > 1 else method)(
            protected.foolbox_model(), x, foolbox.criteria.Misclassification(y), epsilons=eps
        )
        return cast("Tensor", raw)

    return run


def _fgsm(_: AttackSpec) -> dict[str, Any]:
    return {"random_start": False}


def _bim(spec: AttackSpec) -> dict[str, Any]:
    return {"abs_stepsize": spec.step_size, "steps": spec.parameters.steps, "random_start": False}


def _pgd(spec: AttackSpec) -> dict[str, Any]:
    return {**_bim(spec), "random_start": spec.parameters.random_start}


def _mifgsm(spec: AttackSpec) -> dict[str, Any]:
    return {**_bim(spec), "momentum": spec.parameters.decay}


def _cw(spec: AttackSpec) -> dict[str, Any]:
    # abort_early stops the whole batch on its summed loss: without it each sample gets the steps that were asked for.
    return {
        "binary_search_steps": spec.parameters.binary_search_steps,
        "steps": spec.parameters.steps,
        "stepsize": spec.parameters.lr,
        "confidence": spec.parameters.confidence,
        "initial_const": spec.parameters.initial_const,
        "abort_early": False,
    }


def _deepfool(spec: AttackSpec) -> dict[str, Any]:
    # candidates=None: every class is a candidate, as in the paper and in torchattacks.
    return {"steps": spec.parameters.steps, "candidates": None, "overshoot": spec.parameters.overshoot}


def _noise(spec: AttackSpec) -> dict[str, Any]:
    return {"repeats": spec.parameters.draws, "check_trivial": False}


_PGD_ONLY = {"loss": "cross-entropy", "fast": False}
_GUARD = "Steps shrink where the gradient's norm is below 1e-12, as it is where the classifier is very confident."
_SPREAD = "foolbox steps along the gradient itself, scaled to unit ℓ1 norm, instead of along the best pixel"

TABLE: Mapping[tuple[str, str], Realisation] = {
    ("fgsm", "linf"): Realisation("LinfFastGradientAttack", _run("LinfFastGradientAttack", _fgsm)),
    ("fgsm", "l2"): Realisation("L2FastGradientAttack", _run("L2FastGradientAttack", _fgsm), caveat=_GUARD),
    ("fgsm", "l1"): Realisation("L1FastGradientAttack", _run("L1FastGradientAttack", _fgsm), f"{_SPREAD}."),
    ("bim", "linf"): Realisation("LinfBasicIterativeAttack", _run("LinfBasicIterativeAttack", _bim)),
    ("bim", "l2"): Realisation("L2BasicIterativeAttack", _run("L2BasicIterativeAttack", _bim), caveat=_GUARD),
    ("bim", "l1"): Realisation(
        "L1BasicIterativeAttack",
        _run("L1BasicIterativeAttack", _bim),
        f"{_SPREAD}, and rescales into the ball instead of projecting.",
    ),
    ("pgd", "linf"): Realisation("LinfPGD", _run("LinfPGD", _pgd), unsupported=_PGD_ONLY),
    ("pgd", "l2"): Realisation("L2PGD", _run("L2PGD", _pgd), unsupported=_PGD_ONLY, caveat=_GUARD),
    ("pgd", "l1"): Realisation(
        "L1PGD", _run("L1PGD", _pgd), f"{_SPREAD}, and rescales into the ball instead of projecting.", _PGD_ONLY
    ),
    ("mifgsm", "linf"): Realisation(
        "LinfMomentumIterativeFastGradientMethod",
        _run("LinfMomentumIterativeFastGradientMethod", _mifgsm),
        "foolbox accumulates the signs of the gradients instead of the gradients divided by their ℓ1 norm.",
    ),
    ("cw", "l2"): Realisation(
        "L2CarliniWagnerAttack",
        _run("L2CarliniWagnerAttack", _cw),
        "foolbox returns a black image where it finds no example.",
    ),
    ("deepfool", "l2"): Realisation("L2DeepFoolAttack", _run("L2DeepFoolAttack", _deepfool)),
    ("deepfool", "linf"): Realisation("LinfDeepFoolAttack", _run("LinfDeepFoolAttack", _deepfool)),
    ("noise", "linf"): Realisation(
        "LinfRepeatedAdditiveUniformNoiseAttack",
        _run("LinfRepeatedAdditiveUniformNoiseAttack", _noise),
        "foolbox scales each draw by its largest signed value, not its largest absolute one, so draws leave the ball.",
    ),
    ("noise", "l2"): Realisation(
        "L2RepeatedAdditiveUniformNoiseAttack",
        _run("L2RepeatedAdditiveUniformNoiseAttack", _noise),
        "foolbox draws directions from a cube and puts every draw on the sphere, instead of uniformly in the ball.",
    ),
}
