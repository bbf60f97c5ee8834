"""What metrics found: each quantity of each model as a mean with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from frontdef.verdicts.statistics import wilson

if TYPE_CHECKING:
    import pandas as pd

GROUP = ["dataset", "classifier", "defense", "metric", "parameters", "quantity", "unit"]

LEVEL = 0.95

SHARE = "share"
"""Unit of a quantity that cannot leave [0,1]: neither does its interval."""


@dataclass(frozen=True)
class Measured:
    """One quantity of one model.

    Args:
        dataset: Data set.
        classifier: Classifier of the matrix in whose table the row stands.
        defense: Title of the defense.
        metric: Id of the metric.
        parameters: Its parameters, JSON.
        quantity: What was measured.
        unit: Its unit; empty for a pure number.
        n: Samples to which it applies.
        mean: Their mean; NaN where there are none.
        low: Lower end of its 95 % interval: Wilson's for shares of 0 and 1, Student's otherwise.
        high: Its upper end.
        median: Their median.
    """

    dataset: str
    classifier: str
    defense: str
    metric: str
    parameters: str
    quantity: str
    unit: str
    n: int
    mean: float
    low: float
    high: float
    median: float


def measured(metrics: pd.DataFrame) -> list[Measured]:
    """One row a model and quantity, in the order of the run.

    Args:
        metrics: As `frontdef.matrix.results.MatrixResults.metrics` gives them.
    """
    return [
        _summarize(dict(zip(GROUP, map(str, names), strict=True)), group["value"].dropna().to_numpy())
        for names, group in metrics.groupby(GROUP, sort=False)
    ]


def written(value: float, unit: str) -> str:
    """A value as people read it: a share in percent like every accuracy, the rest with three digits; NaN as a dash."""
    if np.isnan(value):
        return "–"
    if unit == SHARE:
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def written_unit(unit: str) -> str:
    """The unit of what `written` gives."""
    return "%" if unit == SHARE else unit


def _summarize(where: dict[str, str], values: np.ndarray) -> Measured:
    n = len(values)
    if n == 0:
        nothing = float("nan")
        return Measured(**where, n=0, mean=nothing, low=nothing, high=nothing, median=nothing)
    mean = float(values.mean())
    if np.isin(values, (0.0, 1.0)).all():
        low, high = wilson(round(mean * n), n)
    else:
        from scipy.special import stdtrit

        reach = float(stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        low, high = mean - reach, mean + reach
        if where["unit"] == SHARE:
            low, high = max(low, 0.0), min(high, 1.0)
    return Measured(**where, n=n, mean=mean, low=low, high=high, median=float(np.median(values)))
