"""ART's attacks in a ball by gradients."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frontdef.attacks.art.call import NORMS, ball, offer, radius
from frontdef.attacks.library import Violation
from frontdef.errors import MissingExtraError

if TYPE_CHECKING:
    from frontdef.attacks.library import Realization
    from frontdef.attacks.spec import AttackSpec


def _fgsm(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    # eps_step is read by the minimal search only; equal to eps it passes ART's checks for any radius.
    return {**ball(spec, classifier), "eps_step": spec.threat.eps}


def _steps(spec: AttackSpec, _: Any) -> dict[str, Any]:
    return {"eps": spec.threat.eps, "eps_step": spec.step_size, "max_iter": spec.parameters.steps}


def _pgd(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    # num_random_init=0 starts at the image; n ≥ 1 makes n runs, each from a random point.
    starts = spec.parameters.restarts if spec.parameters.random_start else 0
    return {**_steps(spec, classifier), "norm": NORMS[spec.threat.norm], "num_random_init": starts}


def _mifgsm(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    return {**_steps(spec, classifier), "norm": NORMS[spec.threat.norm], "decay": spec.parameters.decay}


def _apgd(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    return {
        **_first_step(spec, classifier),
        "max_iter": spec.parameters.steps,
        "nb_random_init": spec.parameters.restarts,
        "loss_type": _LOSSES[spec.parameters.loss],
    }


def _ensemble(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    if importlib.util.find_spec("multiprocess") is None:
        raise MissingExtraError("ART's AutoAttack", "multiprocess")
    return ball(spec, classifier)


def _autoattack(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    return {**_ensemble(spec, classifier), **_first_step(spec, classifier)}


def _first_step(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    # The paper's first step is 2 ε; ART's default is 0.1.
    return {**ball(spec, classifier), "eps_step": 2 * spec.threat.eps}


def _apgd_passes(asked: Any) -> int:
    """A gradient and a look a step; a restart's own first looks."""
    return int(asked.restarts) * (3 * int(asked.steps) + 4)


def _autoattack_passes(_: Any) -> int:
    """Five restarts of two APGD of 100 steps and of Square with 5,000 queries, and 100 steps of DeepFool."""
    return 2 * 5 * (3 * 100 + 4) + 12 * 100 + 5 * 3 * 5001


_LOSSES = {"cross-entropy": "cross_entropy", "dlr": "difference_logits_ratio"}
_LAST = (
    "ART judges the last iterate only and gives the random start back where that is no success, whatever it met on the "
    "way, and draws the start from inside the ball."
)
_LAST_ITERATE = "Returns its last iterate, though an earlier one was misclassified."
_AVERAGED = (
    "Steps shrink where the norm of the batch-averaged gradient is not far above 1e-7, as where the classifier is "
    "confident."
)
_ENSEMBLE = (
    "ART runs APGD-CE, APGD-DLR, DeepFool and Square, with 5 restarts each but for DeepFool, so neither APGD-T nor "
    "FAB, and takes examples up to a share of 1e-4 outside the ball."
)
_PGD_ONLY = {"loss": "cross-entropy", "fast": False}
_STALL = "steps along the pixel of the largest gradient even where the box holds that pixel"
_UNDERFLOW = "Gradients below about 1e-22 count as zero, because ART's norm squares them in float32."
_START_BACK = "Gives the random start back where the last iterate does not reach the target."
_SMALL = (
    Violation(
        "confident oracle",
        "A gradient whose squares are below float32's smallest number counts as zero.",
        "5 of 12 left at 0.186, where all can be broken",
    ),
)
_RESTARTS = "A later restart overwrites an earlier success on images whose clean prediction is wrong."

GRADIENT: Mapping[tuple[str, str], Realization] = {
    ("fgsm", "linf"): offer("FastGradientMethod(norm=inf)", _fgsm, ball, violations=()),
    ("fgsm", "l2"): offer(
        "FastGradientMethod(norm=2)",
        _fgsm,
        ball,
        caveat=_UNDERFLOW,
        where=("`np.linalg.norm`, `torch.linalg.norm`, in ℓ2",),
        violations=_SMALL,
    ),
    ("fgsm", "l1"): offer(
        "FastGradientMethod(norm=1)",
        _fgsm,
        ball,
        f"ART {_STALL}.",
        "step rule",
        weakens=("step rule",),
        where=("`fast_gradient.py`, `_apply_norm`",),
        violations=(),
    ),
    ("bim", "linf"): offer("BasicIterativeMethod", _steps, radius, violations=()),
    ("pgd", "linf"): offer(
        "ProjectedGradientDescent(norm=inf)",
        _pgd,
        ball,
        unsupported=_PGD_ONLY,
        caveat=_RESTARTS,
        where=("`compute_success_array`",),
        violations=(),
    ),
    ("pgd", "l2"): offer(
        "ProjectedGradientDescent(norm=2)",
        _pgd,
        ball,
        "ART cuts each step at the box before it projects onto the ball, the others after it.",
        "projection",
        strengthens=("projection",),
        unsupported=_PGD_ONLY,
        caveat=f"{_UNDERFLOW} {_RESTARTS}",
        where=(
            "`projected_gradient_descent_pytorch.py`, `_compute_pytorch`",
            "`np.linalg.norm`, `torch.linalg.norm`, in ℓ2",
            "`compute_success_array`",
        ),
        violations=_SMALL,
    ),
    ("pgd", "l1"): offer(
        "ProjectedGradientDescent(norm=1)",
        _pgd,
        ball,
        f"ART {_STALL}, and rescales into the ball instead of projecting.",
        "step rule",
        "projection",
        weakens=("step rule", "projection"),
        unsupported=_PGD_ONLY,
        caveat=_RESTARTS,
        where=(
            "`projected_gradient_descent_pytorch.py`, `_compute_perturbation_pytorch`, `_projection(suboptimal=True)`",
            "`compute_success_array`",
        ),
        violations=(
            Violation(
                "corner oracle",
                "Steps along the pixel of the largest gradient even where the box holds that pixel, and stays there.",
                "12 of 12 left at 12.867, where all can be broken",
            ),
        ),
    ),
    ("mifgsm", "linf"): offer("MomentumIterativeMethod", _mifgsm, ball, violations=()),
    ("apgd", "linf"): offer(
        "AutoProjectedGradientDescent(norm=inf)",
        _apgd,
        ball,
        _LAST,
        "failure value",
        "random start",
        weakens=("failure value",),
        unsupported={"rho": 0.75},
        passes=_apgd_passes,
        where=("`auto_projected_gradient_descent.py`, `generate`",),
        violations=(
            Violation("disc oracle", _LAST_ITERATE, "3 of 12 left at 0.087, where all can be broken"),
            Violation("targets", _START_BACK, "3 of 24 end farther from their target"),
        ),
    ),
    ("apgd", "l2"): offer(
        "AutoProjectedGradientDescent(norm=2)",
        _apgd,
        ball,
        _LAST,
        "failure value",
        "random start",
        weakens=("failure value",),
        unsupported={"rho": 0.75},
        passes=_apgd_passes,
        caveat=_AVERAGED,
        where=("`auto_projected_gradient_descent.py`, `generate`",),
        violations=(
            Violation(
                "confident oracle",
                "Adds 1e-7 to the norm that it divides by.",
                "10 of 12 left at 0.186, where all can be broken",
            ),
            Violation("targets", _START_BACK, "4 of 24 end farther from their target"),
        ),
    ),
    **{
        ("autoattack", norm): offer(
            f"AutoAttack(norm={shown})",
            _autoattack,
            _ensemble,
            _ENSEMBLE,
            "loss",
            "search",
            "budget",
            "projection",
            weakens=("loss", "search"),
            strengthens=("projection",),
            unsupported={"version": "standard", "steps": 100, "queries": 5000},
            passes=_autoattack_passes,
            where=("`auto_attack.py`, `AutoAttack.__init__`, `run_attack`",),
            violations=() if norm == "linf" else None,
        )
        for norm, shown in (("linf", "inf"), ("l2", "2"))
    },
}
