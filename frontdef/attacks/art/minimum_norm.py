"""ART's attacks that look for the smallest perturbation by gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frontdef.attacks.art.call import nothing, offer
from frontdef.attacks.library import Violation

if TYPE_CHECKING:
    from frontdef.attacks.library import Realization
    from frontdef.attacks.spec import AttackSpec


def _cw(spec: AttackSpec, _: Any) -> dict[str, Any]:
    return {
        "confidence": spec.parameters.confidence,
        "learning_rate": spec.parameters.lr,
        "max_iter": spec.parameters.steps,
        "initial_const": spec.parameters.initial_const,
        "binary_search_steps": spec.parameters.binary_search_steps,
    }


def _deepfool(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    # nb_grads: every class is a candidate, as in the paper and in torchattacks.
    return {
        "max_iter": spec.parameters.steps,
        "epsilon": spec.parameters.overshoot,
        "nb_grads": classifier.nb_classes,
    }


def _ead(spec: AttackSpec, _: Any) -> dict[str, Any]:
    return {
        "learning_rate": spec.parameters.lr,
        "max_iter": spec.parameters.steps,
        "beta": spec.parameters.beta,
        "initial_const": spec.parameters.initial_const,
        "binary_search_steps": spec.parameters.binary_search_steps,
        "decision_rule": spec.parameters.rule,
    }


def _jsma(spec: AttackSpec, _: Any) -> dict[str, Any]:
    return {"theta": spec.parameters.theta, "gamma": spec.parameters.gamma}


def _newtonfool(spec: AttackSpec, _: Any) -> dict[str, Any]:
    return {"max_iter": spec.parameters.steps, "eta": spec.parameters.eta}


# Of C&W, EAD and NewtonFool a gradient of the batch for each of ten classes, of C&W and EAD two.

_FEW_CONSTANTS = "Its line search ends at a constant's minimum, and four constants do not come near the least: ten do."

MINIMUM_NORM: Mapping[tuple[str, str], Realization] = {
    ("cw", "l2"): offer(
        "CarliniL2Method",
        _cw,
        nothing,
        "ART takes gradient steps with a line search instead of Adam, so pixels near 0 or 1 hardly move, and its "
        "binary search for the constant stalls.",
        "optimizer",
        "search",
        weakens=("optimizer", "search"),
        passes=lambda asked: 27 * asked.binary_search_steps * asked.steps,
        where=("`carlini.py`, `CarliniL2Method.generate`",),
        violations=(
            Violation("linear oracle", _FEW_CONSTANTS, "median 1.170 of the exact distance, 12 of 12 misclassified"),
            Violation("disc oracle", _FEW_CONSTANTS, "median 1.104 of the exact distance, 12 of 12 misclassified"),
            Violation(
                "corner oracle",
                "In its tanh's space the gradient at 0 and at 1 is a millionth, and its steps are not Adam's: with "
                "a `_tanh_smoother` of 0.9 and ten constants all fall.",
                "median inf of the exact distance, 1 of 12 misclassified",
            ),
        ),
    ),
    ("deepfool", "l2"): offer(
        "DeepFool",
        _deepfool,
        nothing,
        "ART leaves the predicted class whatever the label is, and overshoots once, at the end.",
        "labels",
        "overshoot",
        passes=lambda asked: 12 * asked.steps,
        where=("`deepfool.py`, `generate`",),
        violations=(
            Violation(
                "seen, so returned",
                "Overshoots after its last query: found 0.736 away, inside the ball, returned 0.751 away, outside.",
                "1 of 4 that were seen are not returned",
            ),
        ),
    ),
    ("ead", "l1"): offer(
        "ElasticNet",
        _ead,
        nothing,
        "ART drops the pull towards the image, and not the loss alone, where an iterate is misclassified.",
        "loss",
        weakens=("loss",),
        # It keeps the closest misclassified iterate whatever its margin, so confidence is none of the result.
        unsupported={"confidence": 0.0},
        passes=lambda asked: 25 * asked.binary_search_steps * asked.steps,
        where=("`elastic_net.py`, `_gradient_of_loss`",),
        violations=(
            Violation(
                "seen, so returned",
                "Chooses by the elastic-net distance: by ℓ1 alone (`decision_rule`) it returns what it has seen.",
                "3 of 4 that were seen are not returned",
            ),
        ),
    ),
    ("jsma", "l0"): offer(
        "SaliencyMapMethod",
        _jsma,
        nothing,
        "ART raises the two values of the largest gradient of the target's logit, whatever they do to the other "
        "classes, and may change two values more than γ allows.",
        "search",
        "budget",
        weakens=("search",),
        strengthens=("budget",),
        where=("`saliency_map.py`, `_saliency_map`, `generate`",),
        violations=(),
    ),
    ("newtonfool", "l2"): offer(
        "NewtonFool",
        _newtonfool,
        nothing,
        "ART leaves the predicted class whatever the label is, and cuts at the box once, at the end.",
        "labels",
        "clipping",
        passes=lambda asked: 12 * asked.steps + 1,
        caveat="Steps shrink where the norm of the probability's gradient is below 3e-4, as where the classifier is "
        "confident.",
        reads="probabilities",
        where=("`newtonfool.py`, `generate`, `_compute_pert`",),
        violations=(
            Violation(
                "logit scale",
                "Takes a squared gradient below 1e-7 for 1e-7; without that floor outcomes stay.",
                "5 of 5 no longer fall, 3 and 1 fall now",
            ),
        ),
    ),
}
