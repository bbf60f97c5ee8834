"""foolbox's attacks, with every parameter mapped and every difference named (docs/attacks.md explains them)."""

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


class FoolboxLibrary(AttackLibrary):
    """foolbox 3."""

    name: ClassVar[str] = "foolbox"
    distribution: ClassVar[str] = "foolbox"
    read: ClassVar[str] = "3.3.4"

    def table(self) -> Mapping[tuple[str, str], Realization]:
        """What is offered."""
        return TABLE


def _run(attack: str, arguments: Arguments) -> Run:
    """A run of ``foolbox.attacks.<attack>``.

    The raw examples are returned, before foolbox clips them into the ball, so that what leaves it is seen.
    """

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        foolbox = _foolbox()
        method = getattr(foolbox.attacks, attack)(**arguments(spec))
        restarts = 1 if spec.defaults else getattr(spec.parameters, "restarts", 1)
        eps = None if spec.family.minimum_norm else spec.threat.eps
        raw, _, _ = (method.repeat(restarts) if restarts > 1 else method)(
            protected.foolbox_model(), x, _criterion(spec, y), epsilons=eps
        )
        return cast("Tensor", raw)

    return run


def _run_from_noise(attack: str, arguments: Arguments) -> Run:
    """A run of ``foolbox.attacks.<attack>`` on those images that foolbox's own search finds a start for.

    Without a start for one of them foolbox raises for all.
    """

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        foolbox = _foolbox()
        model = protected.foolbox_model()
        search = foolbox.attacks.LinearSearchBlendedUniformNoiseAttack(steps=50)
        starts = search.run(model, x, _criterion(spec, y))
        started = model(starts).argmax(1) != y
        examples = x.clone()
        if started.any():
            method = getattr(foolbox.attacks, attack)(**arguments(spec))
            examples[started] = method.run(
                model, x[started], _criterion(spec, y[started]), starting_points=starts[started]
            )
        return examples

    return run


def _run_in_pixels(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    """A run of ``foolbox.attacks.SpatialAttack``, which takes its largest shift in pixels."""
    parameters = spec.parameters
    arguments = {
        "max_rotation": parameters.max_rotation,
        "max_translation": parameters.max_translation * x.shape[-1],
        "num_rotations": parameters.rotations,
        "num_translations": parameters.translations,
    }
    return _run("SpatialAttack", lambda _: arguments)(spec, protected, x, y)


def _foolbox() -> Any:
    try:
        import foolbox
    except ImportError:
        raise MissingExtraError("attack library 'foolbox'", "foolbox") from None
    return foolbox


def _criterion(spec: AttackSpec, y: Tensor) -> Any:
    criteria = _foolbox().criteria
    return (criteria.TargetedMisclassification if spec.targeted else criteria.Misclassification)(y)


def _nothing(_: AttackSpec) -> dict[str, Any]:
    return {}


def _offer(
    attack: str,
    arguments: Arguments,
    difference: str = "",
    *causes: Cause,
    unsupported: Mapping[str, Any] | None = None,
    caveat: str = "",
    runner: Callable[[str, Arguments], Run] = _run,
    defaults: Arguments = _nothing,
    where: tuple[str, ...] = (),
    violations: tuple[Violation, ...] | None = (),
    weakens: tuple[Cause, ...] = (),
    strengthens: tuple[Cause, ...] = (),
    passes: Callable[[Any], int] | None = None,
) -> Realization:
    """A call with every parameter mapped by ``arguments``; its defaults take nothing, ε is given when it runs."""
    run, minimal = runner(attack, arguments), runner(attack, defaults)
    return Realization(
        attack, run, difference, unsupported, caveat, causes, minimal, where, violations, (), weakens, strengthens,
        passes=passes,
    )  # fmt: skip


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


def _class_by_class(asked: Any) -> int:
    """An answer for each of nine gradients a step."""
    return 19 * int(asked.steps) + 2


def _noise(spec: AttackSpec) -> dict[str, Any]:
    return {"repeats": spec.parameters.draws, "check_trivial": False}


def _fmn(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {"steps": parameters.steps, "max_stepsize": parameters.max_step, "gamma": parameters.gamma}


def _ddn(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {"steps": parameters.steps, "init_epsilon": parameters.init_eps, "gamma": parameters.gamma}


def _ead(spec: AttackSpec) -> dict[str, Any]:
    # abort_early=False for the reason that C&W has.
    return {
        "binary_search_steps": spec.parameters.binary_search_steps,
        "steps": spec.parameters.steps,
        "initial_stepsize": spec.parameters.lr,
        "confidence": spec.parameters.confidence,
        "initial_const": spec.parameters.initial_const,
        "regularization": spec.parameters.beta,
        "decision_rule": spec.parameters.rule,
        "abort_early": False,
    }


def _hopskipjump(spec: AttackSpec) -> dict[str, Any]:
    options = {
        "steps": spec.parameters.steps,
        "initial_gradient_eval_steps": spec.parameters.init_eval,
        "max_gradient_eval_steps": spec.parameters.max_eval,
    }
    return {**_constraint(spec), **options}


def _constraint(spec: AttackSpec) -> dict[str, Any]:
    return {"constraint": spec.threat.norm}


def _boundary(spec: AttackSpec) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "steps": parameters.steps,
        "spherical_step": parameters.spherical_step,
        "source_step": parameters.source_step,
    }


def _newtonfool(spec: AttackSpec) -> dict[str, Any]:
    return {"steps": spec.parameters.steps, "stepsize": spec.parameters.eta}


_PGD_ONLY = {"loss": "cross-entropy", "fast": False}
_UNTARGETED = {"target": "none"}
_GUARD = "Steps shrink where the gradient's norm is below 1e-12, as it is where the classifier is very confident."
_SPREAD = "foolbox steps along the gradient itself, scaled to unit ℓ1 norm, instead of along the best pixel"
_BLACK = "foolbox returns a black image where it finds no example."
_SHORT = (
    "Until it has an example its radius only reaches the boundary of the linearized classifier: it may end just short "
    "of it and return the image."
)
_START = "raises where noise is no start for one of the images; here that image is returned as it is."
_ALONG = "Steps along the gradient itself instead of the best pixel, so ε is spent on pixels that matter little."
_NEVER_PROJECTS = "Never projects onto the ℓ2 ball, so a first misclassified iterate is hardly improved on."
_ZERO = "0 / 0 where an image's gradient is zero."
_SHRINKS = (
    Violation(
        "confident oracle",
        "Its steps shrink where the gradient's norm is below 1e-12.",
        "10 of 12 left at 0.186, where all can be broken",
    ),
)
_RESCALED = f"{_SPREAD}, and rescales into the ball instead of projecting."

_FEW_STEPS = "Two hundred steps do not come close: five thousand end at 1.00 to 1.03 of the distance."
_FEW_QUERIES = "Four steps of 60 queries do not come close: twenty of 500 end at 1.0 to 1.3 of the distance."

TABLE: Mapping[tuple[str, str], Realization] = {
    ("fgsm", "linf"): _offer("LinfFastGradientAttack", _fgsm, unsupported=_UNTARGETED),
    ("fgsm", "l2"): _offer(
        "L2FastGradientAttack",
        _fgsm,
        unsupported=_UNTARGETED,
        caveat=_GUARD,
        where=("`normalize_lp_norms`, in ℓ2",),
        violations=_SHRINKS,
    ),
    ("fgsm", "l1"): _offer(
        "L1FastGradientAttack",
        _fgsm,
        f"{_SPREAD}.",
        "step rule",
        weakens=("step rule",),
        strengthens=("step rule",),
        unsupported=_UNTARGETED,
        where=("`gradient_descent_base.py`, `L1BaseGradientDescent.normalize`",),
        violations=(
            Violation("linear oracle", _ALONG, "10 of 12 left at 0.452, where all can be broken"),
            Violation("disc oracle", _ALONG, "4 of 12 left at 0.131, where all can be broken"),
        ),
    ),
    ("bim", "linf"): _offer("LinfBasicIterativeAttack", _bim),
    ("bim", "l2"): _offer(
        "L2BasicIterativeAttack", _bim, caveat=_GUARD, where=("`normalize_lp_norms`, in ℓ2",), violations=_SHRINKS
    ),
    ("bim", "l1"): _offer(
        "L1BasicIterativeAttack",
        _bim,
        _RESCALED,
        "step rule",
        "projection",
        weakens=("step rule", "projection"),
        strengthens=("step rule",),
        where=("`gradient_descent_base.py`, `L1BaseGradientDescent.normalize` and `L1BaseGradientDescent.project`",),
        violations=(
            Violation("linear oracle", _ALONG, "10 of 12 left at 0.452, where all can be broken"),
            Violation("disc oracle", _ALONG, "4 of 12 left at 0.131, where all can be broken"),
        ),
    ),
    ("pgd", "linf"): _offer("LinfPGD", _pgd, unsupported=_PGD_ONLY),
    ("pgd", "l2"): _offer(
        "L2PGD", _pgd, unsupported=_PGD_ONLY, caveat=_GUARD, where=("`normalize_lp_norms`, in ℓ2",), violations=_SHRINKS
    ),
    ("pgd", "l1"): _offer(
        "L1PGD",
        _pgd,
        _RESCALED,
        "step rule",
        "projection",
        weakens=("step rule", "projection"),
        strengthens=("step rule",),
        unsupported=_PGD_ONLY,
        where=("`gradient_descent_base.py`, `L1BaseGradientDescent.normalize` and `L1BaseGradientDescent.project`",),
        violations=(
            Violation("linear oracle", _ALONG, "10 of 12 left at 0.452, where all can be broken"),
            Violation("disc oracle", _ALONG, "4 of 12 left at 0.131, where all can be broken"),
        ),
    ),
    ("mifgsm", "linf"): _offer(
        "LinfMomentumIterativeFastGradientMethod",
        _mifgsm,
        "foolbox accumulates the signs of the gradients instead of the gradients divided by their ℓ1 norm.",
        "step rule",
        where=(
            "`gradient_descent_base.py`, `BaseGradientDescent.run` (normalizes before the optimizer accumulates)",
            "`mi_fgsm.py`, `GDMOptimizer`",
        ),
    ),
    ("cw", "l2"): _offer(
        "L2CarliniWagnerAttack",
        _cw,
        _BLACK,
        "failure value",
        where=("`carlini_wagner.py`, `run` (`best_advs = ep.zeros_like(x)`)",),
    ),
    ("deepfool", "l2"): _offer("L2DeepFoolAttack", _deepfool, passes=_class_by_class),
    ("deepfool", "linf"): _offer("LinfDeepFoolAttack", _deepfool, passes=_class_by_class),
    ("noise", "linf"): _offer(
        "LinfRepeatedAdditiveUniformNoiseAttack",
        _noise,
        "foolbox scales each draw by its largest signed value, not its largest absolute one, so draws leave the ball.",
        "projection",
        weakens=("projection",),
        where=("`additive_noise.py`, `LinfMixin.get_epsilons` (`max` without `abs`)",),
    ),
    ("noise", "l2"): _offer(
        "L2RepeatedAdditiveUniformNoiseAttack",
        _noise,
        "foolbox draws directions from a cube and puts every draw on the sphere, instead of uniformly in the ball.",
        "random start",
        strengthens=("random start",),
        where=("`additive_noise.py`, `L2Mixin` with `UniformMixin`",),
    ),
    ("fmn", "l0"): _offer(
        "L0FMNAttack",
        _fmn,
        "foolbox keeps one value more than ε, and raises an IndexError once ε is the number of values.",
        "projection",
        weakens=("projection",),
        where=("`fast_minimum_norm.py`, `L0FMNAttack.project` (`argsort(...)[rows, epsilon]`, then `>=`)",),
        violations=(
            Violation(
                "linear oracle",
                "Keeps one value more than its ε.",
                "median 2.000 of the exact distance, 12 of 12 misclassified",
            ),
        ),
    ),
    ("fmn", "l1"): _offer(
        "L1FMNAttack",
        _fmn,
        caveat=_SHORT,
        where=("`fast_minimum_norm.py`, `FMNAttackLp.run` (`distance_to_boundary`), as in the paper",),
    ),
    ("fmn", "l2"): _offer(
        "L2FMNAttack",
        _fmn,
        "foolbox never projects onto the ℓ2 ball, so a first misclassified iterate is hardly ever improved on.",
        "projection",
        weakens=("projection",),
        where=("`fast_minimum_norm.py`, `L2FMNAttack.project` (`norms / norms`)",),
        violations=(
            Violation("linear oracle", _NEVER_PROJECTS, "median 9.185 of the exact distance, 12 of 12 misclassified"),
            Violation("disc oracle", _NEVER_PROJECTS, "median 4.444 of the exact distance, 12 of 12 misclassified"),
        ),
    ),
    ("fmn", "linf"): _offer(
        "LInfFMNAttack",
        _fmn,
        caveat=_SHORT,
        where=("`fast_minimum_norm.py`, `FMNAttackLp.run` (`distance_to_boundary`), as in the paper",),
    ),
    ("ddn", "l2"): _offer("DDNAttack", _ddn),
    ("ead", "l1"): _offer(
        "EADAttack",
        _ead,
        _BLACK,
        "failure value",
        where=("`ead.py`, `run` (`best_advs = ep.zeros_like(x)`)",),
        violations=(
            Violation(
                "seen, so returned",
                "Takes no candidates among its look-ahead points, and chooses by the elastic-net distance.",
                "2 of 3 that were seen are not returned",
            ),
            Violation(
                "logit scale",
                "Three constants from 0.1 do not reach what smaller logits ask for: eight do.",
                "5 of 5 no longer fall, 0 and 5 fall now",
            ),
        ),
    ),
    ("hopskipjump", "l2"): _offer(
        "HopSkipJumpAttack",
        _hopskipjump,
        f"foolbox divides each estimated gradient by the norm of the whole batch's, so steps shrink with its size, and "
        f"{_START}",
        "batch",
        "failure value",
        weakens=("batch", "failure value"),
        runner=_run_from_noise,
        where=(
            "`hop_skip_jump.py`, `approximate_gradients` (`ep.norms.l2` without an axis)",
            "`hop_skip_jump.py`, `run` (`raise ValueError`)",
        ),
        violations=(
            Violation("linear oracle", _FEW_QUERIES, "median 2.016 of the exact distance, 12 of 12 misclassified"),
            Violation("disc oracle", _FEW_QUERIES, "median 3.198 of the exact distance, 12 of 12 misclassified"),
            Violation("corner oracle", _FEW_QUERIES, "median 1.593 of the exact distance, 12 of 12 misclassified"),
        ),
    ),
    ("hopskipjump", "linf"): _offer(
        "HopSkipJumpAttack",
        _hopskipjump,
        f"foolbox {_START}",
        "failure value",
        weakens=("failure value",),
        runner=_run_from_noise,
        defaults=_constraint,
        where=("`hop_skip_jump.py`, `run` (`raise ValueError`)",),
        violations=(
            Violation("linear oracle", _FEW_QUERIES, "median 1.529 of the exact distance, 12 of 12 misclassified"),
            Violation("disc oracle", _FEW_QUERIES, "median 1.411 of the exact distance, 12 of 12 misclassified"),
            Violation("corner oracle", _FEW_QUERIES, "median 1.573 of the exact distance, 12 of 12 misclassified"),
        ),
    ),
    ("boundary", "l2"): _offer(
        "BoundaryAttack",
        _boundary,
        f"foolbox takes one random direction for the whole batch, and {_START}",
        "batch",
        "failure value",
        weakens=("batch", "failure value"),
        runner=_run_from_noise,
        passes=lambda asked: round(1.1 * asked.steps) + 50,
        where=(
            "`boundary_attack.py`, `draw_proposals` (`ep.normal(perturbed, (D, 1))`) and `run` (`raise ValueError`)",
        ),
        violations=(
            Violation("linear oracle", _FEW_STEPS, "median 4.798 of the exact distance, 12 of 12 misclassified"),
            Violation("disc oracle", _FEW_STEPS, "median 9.762 of the exact distance, 12 of 12 misclassified"),
            Violation("corner oracle", _FEW_STEPS, "median 2.982 of the exact distance, 12 of 12 misclassified"),
        ),
    ),
    ("spatial", "spatial"): Realization(
        "SpatialAttack",
        _run_in_pixels,
        "foolbox shifts by a share of the side less one pixel, and by another share along the two axes of an oblong "
        "image, which it also shears as it turns.",
        causes=("step rule",),
        defaults=_run("SpatialAttack", _nothing),
        violations=(),
        where=(
            "`spatial_attack_transformations.py`, `transform_pt` (`align_corners=True`; height and width exchanged)",
        ),
    ),
    ("newtonfool", "l2"): _offer(
        "NewtonFoolAttack",
        _newtonfool,
        "foolbox puts squared norms of image and gradient where the paper has norms, so a step is far too long where "
        "the gradient is small, and NaN where its norm to the fourth power is 0 in float32.",
        "step rule",
        weakens=("step rule",),
        where=("`newtonfool.py`, `run` (`x_l2_norm`, `gradients_l2_norm`: no square root)",),
        violations=(
            Violation(
                "one step",
                "Its steps are far too long: all 24 are misclassified, at a median of three times the radius.",
                "2 of 24 in gray, one step 7; 0 of 24 in color, one step 0",
            ),
            Violation("constant model", _ZERO, "24 of 24 not finite, 0 outside the threat model"),
            Violation("zero gradient", _ZERO, "24 of 24 not finite, 0 outside the threat model"),
        ),
    ),
}
