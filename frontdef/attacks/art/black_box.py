"""ART's attacks without gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frontdef.attacks.art.call import NORMS, ball, nothing, offer
from frontdef.attacks.library import Violation
from frontdef.errors import ConfigError

if TYPE_CHECKING:
    from frontdef.attacks.library import Realization
    from frontdef.attacks.spec import AttackSpec

_TRIALS = 25 * 20
"""Queries that BoundaryAttack makes at most for one step, in one pass."""


def _square(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    # max_iter counts the proposals after the first stripes, which cost a query as well.
    return {
        **ball(spec, classifier),
        "max_iter": spec.parameters.queries - 1,
        "p_init": spec.parameters.p_init,
        "nb_restarts": spec.parameters.restarts,
    }


def _hopskipjump(spec: AttackSpec, _: Any) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "norm": NORMS[spec.threat.norm],
        "max_iter": parameters.steps,
        "init_eval": parameters.init_eval,
        "max_eval": parameters.max_eval,
        "batch_size": parameters.max_eval,
    }


def _norm(spec: AttackSpec, _: Any) -> dict[str, Any]:
    return {"norm": NORMS[spec.threat.norm]}


def _boundary(spec: AttackSpec, _: Any) -> dict[str, Any]:
    parameters = spec.parameters
    return {
        "max_iter": parameters.steps,
        "delta": parameters.spherical_step,
        "epsilon": parameters.source_step,
        "batch_size": _TRIALS,
    }


def _zoo(spec: AttackSpec, _: Any) -> dict[str, Any]:
    # One image a batch: in a larger one the noise of the first image alone moves. No resizing to 32 × 32, no sampling
    # of coordinates by importance, which only larger images would get, and no early stop: all steps for every image.
    return {
        "learning_rate": spec.parameters.lr,
        "max_iter": spec.parameters.steps,
        "confidence": spec.parameters.confidence,
        "initial_const": spec.parameters.initial_const,
        "binary_search_steps": spec.parameters.binary_search_steps,
        "nb_parallel": spec.parameters.parallel,
        "batch_size": 1,
        "use_resize": False,
        "use_importance": False,
        "abort_early": False,
    }


def _simba(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    _, height, width = classifier.input_shape
    if spec.parameters.basis == "dct" and height != width:
        raise ConfigError(f"ART's SimBA has cosines for square images only, got {height} × {width}: take basis='px'")
    return {
        "attack": spec.parameters.basis,
        "freq_dim": min(4, height),
        "max_iter": spec.parameters.steps,
        "epsilon": spec.parameters.step,
        "batch_size": 1,
    }


def _spatial(spec: AttackSpec, _: Any) -> dict[str, Any]:
    return {
        "max_rotation": spec.parameters.max_rotation,
        "max_translation": 100 * spec.parameters.max_translation,
        "num_rotations": spec.parameters.rotations,
        "num_translations": spec.parameters.translations,
    }


def _pixels(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    channels = classifier.input_shape[0]
    if spec.threat.eps < channels:
        raise ConfigError(f"a pixel of {channels} channels is {channels} values: ε is at least that, got {spec.threat}")
    return {"th": int(spec.threat.eps) // channels}


def _pixel(spec: AttackSpec, classifier: Any) -> dict[str, Any]:
    # es=1: differential evolution, as in the paper.
    return {**_pixels(spec, classifier), "max_iter": spec.parameters.steps, "es": 1}


def _square_passes(asked: Any) -> int:
    """Three a query: who still stands, the loss before a proposal and the loss after it."""
    return 3 * int(asked.queries) * int(asked.restarts)


_STRIPES = (
    "ART keeps the first stripes only where they lower the margin, and asks three times what one query of each "
    "proposal would tell"
)
_FILLED = "Raises where the first square does not fit inside the image: p_init close to 1, oblong images"
_LABEL = "ART leaves the predicted class whatever the label is"
_NO_SEARCH = (
    f"{_LABEL}, gives up where 100 images of noise are all of that class, and returns its last step without a search "
    "back to the boundary."
)

_FEW_QUERIES = "Four steps of 60 queries do not come close: twenty of 500 end at 1.2 to 1.3 of the distance."
_ONLY_GROWS = "Values only grow: where the way is down they stay, and more steps come no closer."
_NO_NOISE = "Gives up where 100 images of noise are all of the predicted class."
_FAR = {
    "l2": (
        Violation("linear oracle", _FEW_QUERIES, "median 1.892 of the exact distance, 12 of 12 misclassified"),
        Violation("disc oracle", _FEW_QUERIES, "median 2.492 of the exact distance, 12 of 12 misclassified"),
        Violation("corner oracle", _NO_NOISE, "median inf of the exact distance, 4 of 12 misclassified"),
    ),
    "linf": (
        Violation(
            "seen, so returned",
            "Returns its last step without a search back to the boundary.",
            "1 of 1 that were seen are not returned",
        ),
        Violation("linear oracle", _FEW_QUERIES, "median 2.445 of the exact distance, 12 of 12 misclassified"),
        Violation("disc oracle", _FEW_QUERIES, "median 3.325 of the exact distance, 12 of 12 misclassified"),
        Violation("corner oracle", _NO_NOISE, "median inf of the exact distance, 4 of 12 misclassified"),
    ),
}
_LONG_STEP = "Its step, 0.2 as it comes, is longer than the way: one of 0.02 ends at 1.4 and 1.1 of it."

BLACK_BOX: Mapping[tuple[str, str], Realization] = {
    ("square", "linf"): offer(
        "SquareAttack(norm=inf)",
        _square,
        ball,
        f"{_STRIPES}.",
        "random start",
        "budget",
        weakens=("random start",),
        unsupported={"rescale_schedule": True},
        passes=_square_passes,
        caveat=f"{_FILLED}.",
        where=("`square_attack.py`, `generate`",),
        violations=(),
    ),
    ("square", "l2"): offer(
        "SquareAttack(norm=2)",
        _square,
        ball,
        f"{_STRIPES}, and divides a new window by the norm that it is to have, so that it takes most of ε.",
        "random start",
        "budget",
        "step rule",
        weakens=("random start", "step rule"),
        unsupported={"rescale_schedule": True},
        passes=_square_passes,
        caveat=f"{_FILLED}, odd sides up to 13.",
        where=("`square_attack.py`, `generate`",),
        violations=(),
    ),
    **{
        ("hopskipjump", norm): offer(
            f"HopSkipJump(norm={shown})",
            _hopskipjump,
            _norm,
            _NO_SEARCH,
            "labels",
            "search",
            "failure value",
            weakens=("search", "failure value"),
            where=("`hop_skip_jump.py`, `generate`, `_init_sample`, `_attack`",),
            violations=violations,
        )
        for norm, shown, violations in (("l2", "2", _FAR["l2"]), ("linf", "inf", _FAR["linf"]))
    },
    ("boundary", "l2"): offer(
        "BoundaryAttack",
        _boundary,
        nothing,
        f"{_LABEL}, and tries at least 20 directions a step, all on one distance, instead of one.",
        "labels",
        "budget",
        strengthens=("budget",),
        passes=lambda asked: 42 * asked.steps,
        where=("`boundary.py`, `generate`, `_attack`",),
        violations=(
            Violation(
                "logit shift",
                "Walks along the boundary, where a rounding error decides.",
                "2 outcomes change: 12 fell, now 14, 14",
                rounding=True,
            ),
            Violation("corner oracle", _NO_NOISE, "median inf of the exact distance, 4 of 12 misclassified"),
        ),
    ),
    ("zoo", "l2"): offer(
        "ZooAttack",
        _zoo,
        nothing,
        "ART adds its running noise anew at each step and cuts that noise to [0,1], so values only grow, and looks at "
        "the box once, at the end.",
        "optimizer",
        "clipping",
        weakens=("optimizer", "clipping"),
        # It keeps the closest misclassified iterate whatever its margin, so confidence is none of the result.
        unsupported={"confidence": 0.0},
        passes=lambda asked: asked.binary_search_steps * asked.steps * (2 * asked.parallel + 1) + 2,
        where=("`zoo.py`, `_optimizer`, `_optimizer_adam_coordinate`",),
        violations=(
            Violation("linear oracle", _ONLY_GROWS, "median 2.497 of the exact distance, 12 of 12 misclassified"),
            Violation("disc oracle", _ONLY_GROWS, "median 1.482 of the exact distance, 9 of 12 misclassified"),
            Violation("corner oracle", _ONLY_GROWS, "no example is misclassified"),
        ),
    ),
    ("simba", "l2"): offer(
        "SimBA",
        _simba,
        nothing,
        "ART asks for both signs of a direction and takes the better one, instead of the first that helps.",
        "search",
        "budget",
        strengthens=("search",),
        passes=lambda asked: 2 * asked.steps + 1,
        caveat="Never moves an image whose softmax rounds to 1.",
        reads="probabilities",
        where=("`simba.py`, `generate`",),
        violations=(
            Violation("linear oracle", _LONG_STEP, "median 3.901 of the exact distance, 12 of 12 misclassified"),
            Violation("disc oracle", _LONG_STEP, "median 2.000 of the exact distance, 12 of 12 misclassified"),
            Violation(
                "corner oracle",
                "Goes along pixels in a drawn order and keeps each step that helps, whatever it helps.",
                "median 1.261 of the exact distance, 12 of 12 misclassified",
            ),
        ),
    ),
    ("spatial", "spatial"): offer(
        "SpatialTransformation",
        _spatial,
        None,
        f"{_LABEL}, and takes the number of channels for the height, so that images hardly shift along it.",
        "labels",
        "search",
        weakens=("search",),
        image_by_image=True,
        passes=lambda asked: asked.rotations * asked.translations + 1,
        where=("`spatial_transformation.py`, `generate`",),
        violations=(),
    ),
    ("pixel", "l0"): offer(
        "PixelAttack",
        _pixel,
        _pixels,
        "ART mutates the best candidate instead of a random one.",
        "step rule",
        unsupported={"population": 400},
        caveat="Raises on models of two classes.",
        reads="probabilities",
        where=("`pixel_threshold.py`, `differential_evolution`, `PixelThreshold.generate`",),
        violations=(),
    ),
}
