"""foolbox's attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

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
        restarts = 1 if spec.defaults else getattr(spec.parameters, "restarts", 1)
        wanted = foolbox.criteria.TargetedMisclassification if spec.targeted else foolbox.criteria.Misclassification
        eps = None if spec.family.minimum_norm else spec.threat.eps
        raw, _, _ = (method.repeat(restarts) if restarts > 1 else method)(
            protected.foolbox_model(), x, wanted(y), epsilons=eps
        )
        return cast("Tensor", raw)

    return run


def _offer(
    attack: str,
    arguments: Arguments,
    difference: str = "",
    *causes: Cause,
    unsupported: Mapping[str, Any] | None = None,
    caveat: str = "",
) -> Realisation:
    """A call with every parameter mapped by ``arguments``; its defaults take nothing, ε is given when it runs."""
    return Realisation(
        attack, _run(attack, arguments), difference, unsupported, caveat, causes, defaults=_run(attack, _nothing)
    )


def _nothing(_: AttackSpec) -> dict[str, Any]:
    return {}


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
_UNTARGETED = {"target": "none"}
_GUARD = "Steps shrink where the gradient's norm is below 1e-12, as it is where the classifier is very confident."
_SPREAD = "foolbox steps along the gradient itself, scaled to unit ℓ1 norm, instead of along the best pixel"
_RESCALED = f"{_SPREAD}, and rescales into the ball instead of projecting."

TABLE: Mapping[tuple[str, str], Realisation] = {
    ("fgsm", "linf"): _offer("LinfFastGradientAttack", _fgsm, unsupported=_UNTARGETED),
    ("fgsm", "l2"): _offer("L2FastGradientAttack", _fgsm, unsupported=_UNTARGETED, caveat=_GUARD),
    ("fgsm", "l1"): _offer("L1FastGradientAttack", _fgsm, f"{_SPREAD}.", "step rule", unsupported=_UNTARGETED),
    ("bim", "linf"): _offer("LinfBasicIterativeAttack", _bim),
    ("bim", "l2"): _offer("L2BasicIterativeAttack", _bim, caveat=_GUARD),
    ("bim", "l1"): _offer("L1BasicIterativeAttack", _bim, _RESCALED, "step rule", "projection"),
    ("pgd", "linf"): _offer("LinfPGD", _pgd, unsupported=_PGD_ONLY),
    ("pgd", "l2"): _offer("L2PGD", _pgd, unsupported=_PGD_ONLY, caveat=_GUARD),
    ("pgd", "l1"): _offer("L1PGD", _pgd, _RESCALED, "step rule", "projection", unsupported=_PGD_ONLY),
    ("mifgsm", "linf"): _offer(
        "LinfMomentumIterativeFastGradientMethod",
        _mifgsm,
        "foolbox accumulates the signs of the gradients instead of the gradients divided by their ℓ1 norm.",
        "step rule",
    ),
    ("cw", "l2"): _offer(
        "L2CarliniWagnerAttack", _cw, "foolbox returns a black image where it finds no example.", "failure value"
    ),
    ("deepfool", "l2"): _offer("L2DeepFoolAttack", _deepfool),
    ("deepfool", "linf"): _offer("LinfDeepFoolAttack", _deepfool),
    ("noise", "linf"): _offer(
        "LinfRepeatedAdditiveUniformNoiseAttack",
        _noise,
        "foolbox scales each draw by its largest signed value, not its largest absolute one, so draws leave the ball.",
        "projection",
    ),
    ("noise", "l2"): _offer(
        "L2RepeatedAdditiveUniformNoiseAttack",
        _noise,
        "foolbox draws directions from a cube and puts every draw on the sphere, instead of uniformly in the ball.",
        "random start",
    ),
}
