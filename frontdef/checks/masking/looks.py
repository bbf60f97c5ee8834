"""How many samples does a diagnosis need? A group-sequential rule, its error rate, and what it can see.

A question is asked of the first samples and, while its answer is undecided, of twice as many, up to a stated maximum.
Each look has a level of its own, and these levels add up to that of the whole (alpha spending, Lan & DeMets 1983,
Biometrika 70(3), 659-663). The probability of an alarm at any look is at most their sum, whatever the looks have in
common: the union bound. A question that is dropped, because what was measured is below what would matter, is never
asked again, and that can only lower the rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import binom

from frontdef.checks.masking.statistics import LEVEL, MARGIN, OPEN

SPENT = 0.8
"""Share of the level that the first look spends: most questions end there, and eight of eight still suffice."""

POWER = 0.8
"""Probability with which a gain must be seen that counts as one that could have been."""


@dataclass(frozen=True)
class Looks:
    """The sizes at which a diagnosis may stop.

    Args:
        sizes: Samples of each look, ascending.
    """

    sizes: tuple[int, ...]

    @classmethod
    def between(cls, first: int, most: int) -> Looks:
        """Doubling from the first look to the most samples.

        Args:
            first: Samples of the first look.
            most: Samples of the last.
        """
        sizes = [min(first, most)]
        while sizes[-1] < most:
            sizes.append(min(2 * sizes[-1], most))
        return cls(tuple(sizes))

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """The level of each look; their sum is `LEVEL`."""
        later = len(self.sizes) - 1
        return (LEVEL * SPENT, *[LEVEL * (1 - SPENT) / later] * later) if later else (LEVEL,)

    def detectable(self, tested: float = 1.0) -> float:
        """The smallest gain that raises an alarm with probability `POWER`, of a rival that breaks all that PGD breaks.

        With such a rival all discordant pairs are its own: of n samples a number that is binomial with the gain as its
        probability. The looks are gone through exactly, with all the ways of being dropped.

        Args:
            tested: Share of the samples that the questions are about: correct and not certified.

        Returns:
            The gain in success rate, to a thousandth; 1 where none is large enough.
        """
        sizes = [max(1, round(size * tested)) for size in self.sizes]
        low, high = 0, 1000
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._power(sizes, middle / 1000) >= POWER else (middle + 1, high)
        return min(low, 1000) / 1000

    def _power(self, sizes: list[int], gain: float) -> float:
        alarmed, before = 0.0, 0
        undecided = np.ones(1)  # probability of each number of discordant pairs, where the question is still open
        for size, level in zip(sizes, self.levels, strict=True):
            undecided = np.convolve(undecided, binom.pmf(np.arange(size - before + 1), size - before, gain))
            pairs = np.arange(len(undecided))
            certain = 0.5**pairs < level
            alarmed += float(undecided[certain].sum())
            undecided = np.where(~certain & (pairs >= MARGIN * size) & (0.5**pairs <= OPEN), undecided, 0.0)
            before = size
        return alarmed
