"""adv-lib's attacks, with every parameter mapped and every difference named (docs/attacks/advlib.md explains them)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from frontdef.attacks.library import AttackLibrary, Cause, Realization, Run, Violation
from frontdef.errors import MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected

Arguments = Callable[["AttackSpec"], dict[str, Any]]

_P = {"linf": float("inf"), "l2": 2, "l1": 1, "l0": 0}
_LOSSES = {"cross-entropy": "ce", "margin": "dl", "dlr": "dlr"}


class AdvLibrary(AttackLibrary):
    """adv-lib."""

    name: ClassVar[str] = "advlib"
    distribution: ClassVar[str] = "adv-lib"
    read: ClassVar[str] = "0.2.8"

    def table(self) -> Mapping[tuple[str, str], Realization]:
        """What is offered."""
        return TABLE


def _run(attack: str, threat: Arguments, arguments: Arguments) -> Run:
    """A run of ``adv_lib.attacks.<attack>``."""

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        try:
            from adv_lib import attacks
        except ImportError:
            raise MissingExtraError("attack library 'advlib'", "frontdef-advlib") from None
        return cast("Tensor", getattr(attacks, attack)(protected, x, y, **threat(spec), **arguments(spec)))

    return run


def _run_apgdt(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    """A run of ``apgd_targeted``, which ends in an IndexError where it is asked for more classes than there are."""
    parameters = spec.parameters
    arguments = {
        "n_iter": parameters.steps,
        "n_restarts": parameters.restarts,
        "rho": parameters.rho,
        "num_targets": min(parameters.classes, protected.n_classes - 1),
    }
    return _run("apgd_targeted", _ball, lambda _: arguments)(spec, protected, x, y)


def _offer(
    attack: str,
    threat: Arguments,
    arguments: Arguments,
    difference: str = "",
    *causes: Cause,
    unsupported: Mapping[str, Any] | None = None,
    caveat: str = "",
    where: tuple[str, ...] = (),
    weakens: tuple[Cause, ...] = (),
    strengthens: tuple[Cause, ...] = (),
    violations: tuple[Violation, ...] | None = None,
    single: bool = False,
) -> Realization:
    """A call with the threat model mapped by ``threat``, which is all that its defaults take."""
    run, defaults = _run(attack, threat, arguments), _run(attack, threat, _nothing)
    return Realization(
        attack,
        run,
        difference,
        unsupported,
        caveat,
        causes,
        defaults,
        where,
        violations,
        weakens=weakens,
        strengthens=strengthens,
        single=single,
    )


def _nothing(_: AttackSpec) -> dict[str, Any]:
    return {}


def _norm(spec: AttackSpec) -> dict[str, Any]:
    return {"norm": _P[spec.threat.norm]}


def _ball(spec: AttackSpec) -> dict[str, Any]:
    return {"norm": _P[spec.threat.norm], "eps": spec.threat.eps}


def _radius(spec: AttackSpec) -> dict[str, Any]:
    return {"ε": spec.threat.eps}


def _distance(spec: AttackSpec) -> dict[str, Any]:
    return {"distance": spec.threat.norm}


def _proximal(spec: AttackSpec) -> dict[str, Any]:
    # For ℓ0 the paper prefers the proximal operator of the ℓ2/3 norm, which adv-lib calls 23.
    return {**_norm(spec), "proximal_operator": 23 if spec.threat.norm == "l0" else None}


def _pgd(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "targeted": spec.targeted,
        "steps": parameters.steps,
        "absolute_step_size": spec.step_size,
        "random_init": parameters.random_start,
        "restarts": parameters.restarts,
        "loss_function": _LOSSES[parameters.loss],
    }


def _apgd(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "targeted": spec.targeted,
        "n_iter": parameters.steps,
        "n_restarts": parameters.restarts,
        "loss_function": _LOSSES[parameters.loss],
        "rho": parameters.rho,
    }


def _fab(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "n_iter": parameters.steps,
        "restarts": parameters.restarts,
        "α_max": parameters.alpha_max,
        "η": parameters.eta,
        "β": parameters.beta,
    }


def _fmn(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "targeted": spec.targeted,
        "steps": parameters.steps,
        "α_init": parameters.max_step,
        "γ_init": parameters.gamma,
    }


def _ddn(spec: AttackSpec) -> dict[str, Any]:
    # levels=None: no rounding to 8 bits on the way, as in every other library.
    parameters = spec.parameters
    return {
        "targeted": spec.targeted,
        "steps": parameters.steps,
        "init_norm": parameters.init_eps,
        "γ": parameters.gamma,
        "levels": None,
    }


def _deepfool(spec: AttackSpec) -> dict[str, Any]:
    return {"steps": spec.parameters.steps, "overshoot": spec.parameters.overshoot}


def _cw(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "targeted": spec.targeted,
        "confidence": parameters.confidence,
        "learning_rate": parameters.lr,
        "initial_const": parameters.initial_const,
        "binary_search_steps": parameters.binary_search_steps,
        "max_iterations": parameters.steps,
        "abort_early": False,
    }


def _alma(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "targeted": spec.targeted,
        "num_steps": parameters.steps,
        "lr_init": parameters.lr,
        "lr_reduction": parameters.lr_reduction,
        "check_steps": parameters.check_steps,
        "τ": parameters.tau,
        "γ": parameters.gamma,
        "α": parameters.alpha,
    }


def _sigmazero(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "num_steps": parameters.steps,
        "η_0": parameters.lr,
        "σ": parameters.sigma,
        "τ_0": parameters.threshold,
        "τ_factor": parameters.threshold_step,
    }


def _pdpgd(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "targeted": spec.targeted,
        "num_steps": parameters.steps,
        "primal_lr": parameters.primal_lr,
        "dual_lr": parameters.dual_lr,
        "dual_ratio_init": parameters.dual_ratio,
        "proximal_steps": parameters.proximal_steps,
    }


_SHORT = (
    "Until it has an example its radius only reaches the boundary of the linearized classifier: it may end just short "
    "of it and return the image."
)
_HALVES = (
    "adv-lib compares the best loss with itself instead of with that of the last check, so the step is halved at every "
    "other check at least"
)
_OTHERS = "sets the target's logit against the largest of the others, not against the label's."
_REPAIRS = "An image that is misclassified already may be returned classified right."
_ROUNDS = "Rounding leaves some examples 1e-6 to 1e-5 outside the ball."
_NOTHING_LEFT = "Raises where the radius of every image of a batch falls to 0."
_RAISES = "raises RuntimeError: index 0 is out of bounds for dimension 1 with size 0"
_LATE = "adv-lib never looks at the point after its last step"
_APGDT = _run("apgd_targeted", _ball, _nothing)


def _apgdt(
    difference: str,
    *causes: Cause,
    caveat: str = _REPAIRS,
    where: tuple[str, ...],
    violations: tuple[Violation, ...] | None = None,
) -> Realization:
    return Realization(
        "apgd_targeted",
        _run_apgdt,
        difference,
        caveat=caveat,
        causes=causes,
        defaults=_APGDT,
        where=where,
        violations=violations,
    )


_ONE_MORE = (
    "Steps along one value more than its share says, `(1 − topk) n` being rounded down: two never become one. Rounded "
    "up, all fall."
)
_DISC_LEFT = "12 of 12 left at 0.131, where all can be broken"
_HELD = Violation(
    "corner oracle",
    "Its estimate of how far the boundary is counts pixels that the box holds, so it comes closer by a share each "
    "step and never crosses: without these pixels all fall.",
    "no example is misclassified",
)

TABLE: Mapping[tuple[str, str], Realization] = {
    ("pgd", "linf"): _offer(
        "pgd_linf",
        _radius,
        _pgd,
        f"{_LATE}, and returns the last misclassified one before, or the image.",
        "early stop",
        "failure value",
        weakens=("early stop",),
        strengthens=("failure value",),
        unsupported={"fast": False},
        where=("`projected_gradient_descent.py`, `_pgd_linf` (the loop ends after a step)",),
        violations=(),
    ),
    ("apgd", "linf"): _offer(
        "apgd",
        _ball,
        _apgd,
        f"{_HALVES}.",
        "schedule",
        where=("`auto_pgd.py`, `_apgd` (`loss_best_last_check = loss_best`, no copy)",),
        violations=(),
    ),
    ("apgd", "l2"): _offer(
        "apgd",
        _ball,
        _apgd,
        f"{_HALVES}.",
        "schedule",
        where=("`auto_pgd.py`, `_apgd` (`loss_best_last_check = loss_best`, no copy)",),
        violations=(
            Violation(
                "confident oracle",
                "Adds 1e-12 to the norm that it divides by.",
                "8 of 12 left at 0.186, where all can be broken",
            ),
        ),
    ),
    ("apgd", "l1"): _offer(
        "apgd",
        _ball,
        _apgd,
        caveat=_ROUNDS,
        where=("`auto_pgd.py`, `l1_projection`",),
        violations=(
            Violation("disc oracle", _ONE_MORE, _DISC_LEFT),
            Violation(
                "confident oracle",
                "In float32 its loss is 0 wherever it goes, so it goes back to its start: with float64 logits 9 fall.",
                "8 of 12 left at 0.452, where all can be broken",
            ),
            Violation(
                "faint oracle",
                "In float32 its losses are too near each other to see progress, so it halves its step: with float64 "
                "logits it misses the one image that it misses of plain ones.",
                "2 of 12 left at 0.452, where all can be broken",
            ),
        ),
    ),
    ("apgdt", "linf"): _apgdt(
        f"{_HALVES}, and {_OTHERS}",
        "schedule",
        "loss",
        where=(
            "`auto_pgd.py`, `_apgd` (`loss_best_last_check = loss_best`, no copy)",
            "`losses.py`, `difference_of_logits_ratio`, and `apgd_targeted` (`argsort(...)[:, 1:]`)",
        ),
        violations=(),
    ),
    ("apgdt", "l2"): _apgdt(
        f"{_HALVES}, and {_OTHERS}",
        "schedule",
        "loss",
        where=(
            "`auto_pgd.py`, `_apgd` (`loss_best_last_check = loss_best`, no copy)",
            "`losses.py`, `difference_of_logits_ratio`, and `apgd_targeted` (`argsort(...)[:, 1:]`)",
        ),
        violations=(),
    ),
    ("apgdt", "l1"): _apgdt(
        f"adv-lib {_OTHERS}",
        "loss",
        caveat=f"{_REPAIRS} {_ROUNDS}",
        where=(
            "`losses.py`, `difference_of_logits_ratio`, and `apgd_targeted` (`argsort(...)[:, 1:]`)",
            "`auto_pgd.py`, `l1_projection`",
        ),
        violations=(Violation("disc oracle", _ONE_MORE, _DISC_LEFT),),
    ),
    ("fab", "linf"): _offer("fab", _norm, _fab, violations=()),
    ("fab", "l2"): _offer("fab", _norm, _fab, violations=()),
    ("fab", "l1"): _offer("fab", _norm, _fab, violations=()),
    ("fmn", "l0"): _offer(
        "fmn",
        _norm,
        _fmn,
        caveat="RuntimeError where the radius of every image of a batch falls to 0, as it does where all are "
        "misclassified already.",
        where=("`fast_minimum_norm.py`, `l0_projection_` (`topk(k=0)`)",),
        violations=(
            Violation("linear oracle", _NOTHING_LEFT, _RAISES),
            Violation("targets", _NOTHING_LEFT, _RAISES),
            Violation("ignored pixels", _NOTHING_LEFT, _RAISES),
        ),
    ),
    ("fmn", "l1"): _offer(
        "fmn",
        _norm,
        _fmn,
        caveat=_SHORT,
        where=("`fast_minimum_norm.py`, `fmn` (`distance_to_boundary`), as in the paper",),
        violations=(_HELD,),
    ),
    ("fmn", "l2"): _offer(
        "fmn",
        _norm,
        _fmn,
        "adv-lib rescales onto the ℓ2 sphere instead of projecting onto the ball.",
        "projection",
        caveat=_SHORT,
        where=(
            "`fast_minimum_norm.py`, `l2_projection_` (`clamp_` binds to the product, not to the factor)",
            "`fast_minimum_norm.py`, `fmn` (`distance_to_boundary`), as in the paper",
        ),
        violations=(_HELD,),
    ),
    ("fmn", "linf"): _offer(
        "fmn",
        _norm,
        _fmn,
        caveat=_SHORT,
        where=("`fast_minimum_norm.py`, `fmn` (`distance_to_boundary`), as in the paper",),
        violations=(),
    ),
    ("ddn", "l2"): _offer("ddn", _nothing, _ddn, violations=()),
    ("deepfool", "l2"): _offer(
        "df",
        _norm,
        _deepfool,
        f"{_LATE}, overshoots each step instead of their sum, and returns the image where it finds no example.",
        "early stop",
        "overshoot",
        "failure value",
        weakens=("early stop", "failure value"),
        where=("`deepfool.py`, `df` (the loop ends after a step; `value=1 + overshoot`)",),
        violations=(),
    ),
    ("deepfool", "linf"): _offer(
        "df",
        _norm,
        _deepfool,
        f"{_LATE}, overshoots each step instead of their sum, and returns the image where it finds no example.",
        "early stop",
        "overshoot",
        "failure value",
        weakens=("early stop", "failure value"),
        where=("`deepfool.py`, `df` (the loop ends after a step; `value=1 + overshoot`)",),
        violations=(),
    ),
    ("cw", "l2"): _offer(
        "carlini_wagner_l2",
        _nothing,
        _cw,
        "adv-lib measures the distance from the image instead of from where its tanh starts, 1e-6 away, and Adam makes "
        "a full first step of that on pixels that no logit depends on.",
        "optimizer",
        where=("`carlini_wagner/l2.py`, `carlini_wagner_l2` (`adv_inputs - inputs`)",),
        violations=(
            Violation(
                "corner oracle",
                "0 and 1 are 7 from the middle in the space of its tanh, and 40 steps of 0.05 go 2: in 150 all fall.",
                "no example is misclassified",
            ),
        ),
    ),
    ("alma", "l2"): _offer("alma", _distance, _alma, single=True, violations=()),
    ("alma", "l1"): _offer(
        "alma",
        _distance,
        _alma,
        single=True,
        violations=(
            Violation(
                "linear oracle",
                "Its gradient steps leave a little on 61 of 64 pixels, where one would do.",
                "median 1.279 of the exact distance, 12 of 12 misclassified",
            ),
            Violation(
                "batch size",
                "Its steps amplify rounding.",
                "0 of 6 outcomes change: 6 fell together, 6 alone; 2 of 6 distances change",
                rounding=True,
            ),
        ),
    ),
    ("sigmazero", "l0"): _offer("sigma_zero", _nothing, _sigmazero, violations=()),
    ("pdpgd", "l0"): _offer(
        "pdpgd",
        _proximal,
        _pdpgd,
        violations=(
            Violation(
                "corner oracle",
                "Ends with a pixel more than suffice.",
                "median 1.111 of the exact distance, 12 of 12 misclassified",
            ),
        ),
    ),
    ("pdpgd", "l1"): _offer("pdpgd", _proximal, _pdpgd, violations=()),
    ("pdpgd", "l2"): _offer("pdpgd", _proximal, _pdpgd, violations=()),
    ("pdpgd", "linf"): _offer("pdpgd", _proximal, _pdpgd, violations=()),
}
