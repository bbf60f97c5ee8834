"""Did an example break its sample? The only room that decides it, for every kind of attack.

All functions are pure and vectorized. They take the columns that are recorded of each example (a mapping of arrays
``(N,)`` or a data frame: ``label``, ``clean_correct``, ``target``, ``adversarial_prediction``,
``adversarial_majority``, the distances, ``in_box``, ``finite``) and a threat model: a norm and a radius, one for all
rows or one a row. An example of a minimum-norm attack, or one that was made for another threat model, is judged like
any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from frontdef.threat import MEASURED, TOLERANCE

if TYPE_CHECKING:
    import pandas as pd

    Columns = Mapping[str, Any] | pd.DataFrame
    """Column → values ``(N,)``."""

Prediction = Literal["adversarial_prediction", "adversarial_majority"]
"""Which prediction decides: the class of the mean probability, or the one that most draws of a front end vote for."""


def distances(columns: Columns, norm: str | np.ndarray) -> np.ndarray:
    """Distance of each example from its image, float64 ``(N,)`` in units of [0,1] pixel values (a count for ``l0``).

    Where a norm can't be measured from two images (``spatial``), an example of an attack that was made for it is within
    it (0) and any other one is not (∞); the column ``norm`` says what each was made for, all for ``norm`` without it.

    Args:
        columns: What is recorded of the examples.
        norm: The norm of the threat model, one for all or one a row.
    """
    if isinstance(norm, str) and norm in MEASURED:
        return np.asarray(columns[norm], dtype=float)
    norms = np.broadcast_to(np.asarray(norm), (len(columns["label"]),))
    made_for = np.asarray(columns["norm"]) if "norm" in columns else norms
    measured = np.where(made_for == norms, 0.0, np.inf)
    for name in MEASURED:
        if (here := norms == name).any():
            measured = np.where(here, np.asarray(columns[name], dtype=float), measured)
    return measured


def fits(columns: Columns, norm: str | np.ndarray, eps: float | np.ndarray) -> np.ndarray:
    """Which examples are finite, in the box and within ``eps``, to 1e-6, whatever attack made them; bool ``(N,)``.

    Args:
        columns: What is recorded of the examples.
        norm: The norm of the threat model.
        eps: Its radius; ∞ for any distance.
    """
    near = distances(columns, norm) <= eps + TOLERANCE
    return np.asarray(near & columns["in_box"] & columns["finite"], dtype=bool)


def valid(columns: Columns, norm: str, eps: float, *, minimum_norm: bool) -> np.ndarray:
    """Which examples an attack was allowed to return, bool ``(N,)``: those that fit the threat model that it was given.

    A minimum-norm attack is given no radius: a far example of it fails to break, and is no violation.

    Args:
        columns: What is recorded of the examples.
        norm: The norm that the attack was given.
        eps: The radius that it was given.
        minimum_norm: Whether it looks for the smallest perturbation.
    """
    return fits(columns, norm, np.inf if minimum_norm else eps)


def misclassified(columns: Columns, by: Prediction = "adversarial_prediction") -> np.ndarray:
    """Which examples are not given the label of their image, fitting or not; bool ``(N,)``."""
    return np.asarray(columns[by] != columns["label"], dtype=bool)


def success(
    columns: Columns, norm: str | np.ndarray, eps: float | np.ndarray, *, by: Prediction = "adversarial_prediction"
) -> np.ndarray:
    """In which examples the attack got what it was asked for, bool ``(N,)``; the image itself may be wrong already.

    An untargeted attack is asked for any wrong class, a targeted one for its target: another wrong class is no success
    of it, though it counts in `broken`. So whatever succeeds on an image that is right breaks it.

    Args:
        columns: What is recorded of the examples.
        norm: The norm of the threat model.
        eps: Its radius; ∞ for any distance.
        by: Which prediction decides.
    """
    target = np.asarray(columns["target"])
    reached = (target < 0) | (np.asarray(columns[by]) == target)
    return np.asarray(fits(columns, norm, eps) & misclassified(columns, by) & reached)


def broken(
    columns: Columns, norm: str | np.ndarray, eps: float | np.ndarray, *, by: Prediction = "adversarial_prediction"
) -> np.ndarray:
    """Which examples count for the worst case, bool ``(N,)``: the image is right, the example fits and is wrong.

    It doesn't ask what the attack wanted or what threat model it was made for.

    Args:
        columns: What is recorded of the examples.
        norm: The norm of the threat model.
        eps: Its radius; ∞ for any distance.
        by: Which prediction decides.
    """
    return np.asarray(breaks_from(columns, norm, by=by) <= eps + TOLERANCE)


def breaks_from(columns: Columns, norm: str | np.ndarray, *, by: Prediction = "adversarial_prediction") -> np.ndarray:
    """The distance of each example that counts for the worst case at every radius from there, to 1e-6.

    Args:
        columns: What is recorded of the examples.
        norm: The norm of the threat model.
        by: Which prediction decides.

    Returns:
        float64 ``(N,)``; NaN where the image is wrong already, or the example right, outside the box, or not finite.
    """
    counts = columns["clean_correct"] & columns["in_box"] & columns["finite"] & misclassified(columns, by)
    return np.where(np.asarray(counts, dtype=bool), distances(columns, norm), np.nan)


def loses_from(columns: Columns, norm: str | np.ndarray) -> np.ndarray:
    """The distance of each example that got what its attack was asked for: from there on `withstood` denies it.

    Args:
        columns: What is recorded of the examples.
        norm: The norm of the threat model.

    Returns:
        float64 ``(N,)``; NaN where the image is wrong already, or the attack never succeeds.
    """
    target, predicted = np.asarray(columns["target"]), np.asarray(columns["adversarial_prediction"])
    reached = (target < 0) | (predicted == target)
    return np.where(reached, breaks_from(columns, norm), np.nan)


def withstood(
    columns: Columns, norm: str | np.ndarray, eps: float | np.ndarray, *, by: Prediction = "adversarial_prediction"
) -> np.ndarray:
    """Which samples are right without attack and are not lost to the attack's own success, bool ``(N,)``.

    It is what the column of an attack counts; joined over attacks it is never below the worst case.

    Args:
        columns: What is recorded of the examples.
        norm: The norm of the threat model.
        eps: Its radius; ∞ for any distance.
        by: Which prediction decides.
    """
    return np.asarray(columns["clean_correct"] & ~success(columns, norm, eps, by=by), dtype=bool)


def robust_accuracy(columns: Columns, norm: str, eps: float, *, by: Prediction = "adversarial_prediction") -> float:
    """Share of the samples of one cell that withstood its attack; NaN without samples.

    Args:
        columns: What is recorded of the examples.
        norm: The norm of the threat model.
        eps: Its radius; of a minimum-norm attack one of those at which the run judges it, the largest for a single
            figure.
        by: Which prediction decides.
    """
    robust = withstood(columns, norm, eps, by=by)
    return float(robust.mean()) if len(robust) else float("nan")


def judged(columns: Columns, norm: str, eps: float, *, minimum_norm: bool) -> dict[str, np.ndarray]:
    """The verdicts that are recorded beside the columns: ``valid``, ``success`` and ``success_majority``.

    Args:
        columns: What is recorded of the examples.
        norm: The norm that the attack was given.
        eps: The radius at which it is judged.
        minimum_norm: Whether it looks for the smallest perturbation.

    Returns:
        Column → bool ``(N,)``.
    """
    return {
        "valid": valid(columns, norm, eps, minimum_norm=minimum_norm),
        "success": success(columns, norm, eps),
        "success_majority": success(columns, norm, eps, by="adversarial_majority"),
    }
