"""ART's attacks that look for the smallest perturbation by gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frontdef.attacks.art.call import nothing, offer

if TYPE_CHECKING:
    from frontdef.attacks.library import Realisation
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


MINIMUM_NORM: Mapping[tuple[str, str], Realisation] = {
    ("cw", "l2"): offer(
        "CarliniL2Method",
        _cw,
        nothing,
        "ART takes gradient steps with a line search instead of Adam, so pixels near 0 or 1 hardly move, and its "
        "binary search for the constant stalls.",
        "optimizer",
        "search",
    ),
    ("deepfool", "l2"): offer(
        "DeepFool",
        _deepfool,
        nothing,
        "ART leaves the predicted class whatever the label is, and overshoots once, at the end.",
        "labels",
        "overshoot",
    ),
}
