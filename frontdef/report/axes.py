"""Scales of axes: where a value stands between 0 and 1, and where the ticks are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A scale.

    Args:
        low: Value at 0.
        high: Value at 1.
        ticks: Values that are marked.
        logarithmic: Whether equal steps are equal factors.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a value stands, cut off at 0 and 1."""
        low, high, at = (math.log10(max(v, 1e-300)) if self.logarithmic else v for v in (self.low, self.high, value))
        return min(max((at - low) / (high - low), 0.0), 1.0)

    def edges(self, count: int) -> np.ndarray:
        """Edges of so many equal bins, ``(count + 1,)``."""
        space = np.geomspace if self.logarithmic else np.linspace
        return np.asarray(space(self.low, self.high, count + 1))


def linear(values: Iterable[float], *, zero: bool = False, ticks: int = 5) -> Axis:
    """A scale with round ticks around all values.

    Args:
        values: What has to be on it; values that are not finite are left out.
        zero: Whether 0 has to be.
        ticks: About how many.
    """
    finite = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high - low < 1e-12 * max(abs(low), abs(high), 1e-12):
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / ticks
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(step * unit for step in STEPS if step * unit >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    marks = tuple(round(number * step, 12) for number in range(first, last + 1))
    return Axis(marks[0], marks[-1], marks)


def logarithmic(values: Sequence[float]) -> Axis:
    """A scale of factors around all positive values, marked at 1, 2, 5 or at powers of ten."""
    positive = [value for value in values if math.isfinite(value) and value > 0] or [0.1, 1.0]
    low, high = min(positive) / 1.05, max(positive) * 1.05
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if high / low < 300 else (1,)
    marks = [factor * 10.0**power for power in powers for factor in factors]
    return Axis(low, high, tuple(mark for mark in marks if low <= mark <= high), logarithmic=True)
