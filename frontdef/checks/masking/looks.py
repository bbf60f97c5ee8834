"""How many samples does a diagnosis need? A group-sequential rule, its error rate, and what it can see.

`frontdef.verdicts.looks` has the rule. A question that is dropped, because what was measured is below what would
matter, is never asked again, and that can only lower the error rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from frontdef.checks.masking.statistics import LEVEL, MARGIN, OPEN
from frontdef.verdicts.looks import Looks as Sequential
from frontdef.verdicts.resolution import POWER


@dataclass(frozen=True)
class DiagnosisLooks(Sequential):
    """The sizes at which a diagnosis may stop; eight of eight pairs suffice at the first.

    Args:
        sizes: Samples of each look, ascending.
        level: Error rate over all of them.
    """

    level: float = LEVEL

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
