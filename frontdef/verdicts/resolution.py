"""What a comparison of two libraries can tell from so many samples: known before anything is run."""

from __future__ import annotations

from math import ceil, erfc, floor, log10, sqrt

from frontdef.verdicts.looks import ALPHA
from frontdef.verdicts.statistics import at_least, paired_difference

POWER = 0.8
"""Probability with which a difference must be seen that counts as one that could have been."""

DISCORDANT = 0.05
"""Share of the samples on which two libraries that do the same thing may end differently: random starts differ."""

FINE = 0.02
"""Difference in success rate within which one would like to know that two libraries agree."""


def detectable(n: int, pairs: int = 1) -> float:
    """The smallest difference in success rate that is called *different* with probability `POWER`.

    Of a library that breaks all that the other breaks, and more: all discordant pairs are its own.

    Args:
        n: Samples that are right without attack.
        pairs: Comparisons of the run, for which the test is corrected (the worst case of Holm's correction).

    Returns:
        To a thousandth; 1 where none is large enough.
    """
    fewest = next(count for count in range(1, 200) if 2 * 0.5**count < ALPHA / pairs)
    low, high = 0, 1000
    while low < high:
        middle = (low + high) // 2
        seen = at_least(fewest, n, middle / 1000) >= POWER
        low, high = (low, middle) if seen else (middle + 1, high)
    return low / 1000


def within(n: int, discordant: float = DISCORDANT) -> float:
    """Half the width of the interval of the difference, of libraries that do the same thing.

    Where it is below the margin of *equivalent*, that can be shown.

    Args:
        n: Samples that are right without attack.
        discordant: Share of them that end differently, half of them each way.
    """
    each = discordant * n / 2
    low, high = paired_difference(each, each, n, 1 - ALPHA)
    return (high - low) / 2


def needed(margin: float, discordant: float = DISCORDANT) -> int:
    """The fewest samples for which `within` is at most a margin.

    Args:
        margin: Half a width, above 0.
        discordant: As there.
    """
    low, high = 1, 1
    while within(high, discordant) > margin:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if within(middle, discordant) <= margin else (middle + 1, high)
    return high


def deciding(only_a: int, only_b: int, n: int, margin: float, tests: int = 1, level: float = ALPHA) -> int:
    """About how many samples decide a comparison, if the same shares of them ended differently.

    Decided is: the interval of the difference lies within the margin, or the corrected test calls them different, by
    the normal approximation of McNemar's test.

    Args:
        only_a: Samples on which only A succeeded.
        only_b: Samples on which only B succeeded.
        n: Samples that are right without attack, at least 1.
        margin: Of *equivalent*, above 0.
        tests: For how many the test is corrected.
        level: Error level of this look.

    Returns:
        Two digits, rounded up.
    """
    share_a, share_b = only_a / n, only_b / n

    def decided(samples: int) -> bool:
        a, b = share_a * samples, share_b * samples
        low, high = paired_difference(a, b, samples, 1 - level)
        apart = max(abs(a - b) - 1, 0.0) / sqrt(max(a + b, 1.0))
        return (low >= -margin and high <= margin) or tests * erfc(apart / sqrt(2)) < level

    low, high = 1, 1
    while not decided(high):
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle + 1, high)
    unit = int(10 ** max(floor(log10(high)) - 1, 0))
    return ceil(high / unit) * unit
