"""The tests and intervals that the verdicts rest on.

They are a few lines of numpy, tested against ``scipy.stats``: to import that takes longer than to show a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

import numpy as np

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
    z = _quantile(confidence)
    share, weight = successes / n, z * z / n
    middle = (share + weight / 2) / (1 + weight)
    half = z * sqrt(share * (1 - share) / n + weight / (4 * n)) / (1 + weight)
    return (max(middle - half, 0.0) if successes else 0.0), (min(middle + half, 1.0) if successes < n else 1.0)


def exceeds(successes: int, n: int, share: float, level: float = 0.05) -> bool:
    """Whether a proportion is shown to exceed a share: exact one-sided binomial test.

    Args:
        successes: How many of the ``n`` samples.
        n: Samples, at least 1.
        share: What it is compared with.
        level: Of the test.
    """
    return at_least(successes, n, min(share, 1.0)) < level


def mcnemar(only_a: int, only_b: int, alternative: str = "two-sided") -> float:
    """Exact McNemar test of paired outcomes: the p-value.

    Args:
        only_a: Samples on which only A succeeded.
        only_b: Samples on which only B succeeded.
        alternative: ``two-sided``, or ``greater`` where the question is whether A succeeds more often.
    """
    discordant = only_a + only_b
    if alternative == "greater":
        return _heads(only_a, discordant)
    return min(1.0, 2 * _heads(max(only_a, only_b), discordant))  # both tails are the same


def paired_difference(only_a: float, only_b: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two paired proportions, A minus B (Bonett & Price 2012, adjusted Wald).

    It keeps a positive width where no pair is discordant, so few samples never pass for equivalence.

    Args:
        only_a: Samples on which only A succeeded.
        only_b: Samples on which only B succeeded.
        n: Samples.
        confidence: Coverage.
    """
    a, b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = _quantile(confidence) * sqrt((a + b - (a - b) ** 2) / (n + 2))
    return max(a - b - half, -1.0), min(a - b + half, 1.0)


@lru_cache(maxsize=1 << 14)
def _heads(k: int, n: int) -> float:
    """Probability of ``k`` heads or more of ``n`` fair coins, from whole numbers: exact to the last bit."""
    return (_subsets(n, n - k) if n - k < k else (1 << n) - _subsets(n, k - 1)) / (1 << n)


def _subsets(n: int, most: int) -> int:
    """How many subsets of ``n`` things have at most so many."""
    ways, total = 1, 0
    for size in range(most + 1):
        total += ways
        ways = ways * (n - size) // (size + 1)
    return total


def at_least(successes: int, n: int, share: float) -> float:
    """Probability of so many successes or more: the upper tail of the binomial distribution.

    Args:
        successes: How many of the ``n`` samples.
        n: Samples.
        share: Probability of each.
    """
    if successes <= 0:
        return 1.0
    if successes > n or share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    odds = log(share) - log1p(-share)
    first = lgamma(n + 1) - lgamma(successes + 1) - lgamma(n - successes + 1) + successes * odds + n * log1p(-share)
    k = np.arange(successes, n)
    rest = np.cumsum(np.log((n - k) / (k + 1)) + odds)
    return min(1.0, exp(first) + float(np.exp(first + rest).sum()))


def _quantile(confidence: float) -> float:
    """Of the standard normal: within ± this lies a share ``confidence``."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979), in the order given."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in adjusted]
