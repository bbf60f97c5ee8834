"""The tests and intervals that the verdicts rest on."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy.stats import binomtest, norm

UNION = 0.10
"""Share of the samples that all attacks together may break beyond the white-box attack; docs/masking.md says why."""

FEWEST = 3
"""Samples that they must break beyond it: in a small run one example is no objection."""


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927).

    Args:
        successes: How many of the ``n`` samples.
        n: Samples, at least 1.
        confidence: Coverage.
    """
    interval = binomtest(int(successes), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def exceeds(successes: int, n: int, share: float, level: float = 0.05) -> bool:
    """Whether a proportion is shown to exceed a share: exact one-sided binomial test.

    Args:
        successes: How many of the ``n`` samples.
        n: Samples, at least 1.
        share: What it is compared with.
        level: Of the test.
    """
    return float(binomtest(int(successes), int(n), min(share, 1.0), alternative="greater").pvalue) < level


def mcnemar(only_a: int, only_b: int, alternative: str = "two-sided") -> float:
    """Exact McNemar test of paired outcomes: the p-value.

    Args:
        only_a: Samples on which only A succeeded.
        only_b: Samples on which only B succeeded.
        alternative: ``two-sided``, or ``greater`` where the question is whether A succeeds more often.
    """
    discordant = only_a + only_b
    return float(binomtest(int(only_a), int(discordant), alternative=alternative).pvalue) if discordant else 1.0


def paired_difference(only_a: int, only_b: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two paired proportions, A minus B (Bonett & Price 2012, adjusted Wald).

    It keeps a positive width where no pair is discordant, so few samples never pass for equivalence.

    Args:
        only_a: Samples on which only A succeeded.
        only_b: Samples on which only B succeeded.
        n: Samples.
        confidence: Coverage.
    """
    a, b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = float(norm.ppf(0.5 + confidence / 2)) * sqrt((a + b - (a - b) ** 2) / (n + 2))
    return max(a - b - half, -1.0), min(a - b + half, 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979), in the order given."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in adjusted]
