"""When is a question that is asked of more and more samples decided? A group-sequential rule and its error rate.

A question is asked of the first samples and, while its answer is open, of twice as many, up to a stated maximum. Each
look has a level of its own, and these levels add up to that of the whole (alpha spending, Lan & DeMets 1983,
Biometrika 70(3), 659-663). The probability of an error at any look is at most their sum, whatever the looks have in
common: the union bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

ALPHA = 0.05
"""Error rate of a verdict, over all its looks."""

SPENT = 0.8
"""Share of the level that the first look spends: most questions end there."""


@dataclass(frozen=True)
class Looks:
    """The sizes at which a question may be decided.

    Args:
        sizes: Samples of each look, ascending.
        level: Error rate over all of them.
    """

    sizes: tuple[int, ...]
    level: float = ALPHA

    @classmethod
    def between(cls, first: int, most: int) -> Self:
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
        """The level of each look; their sum is `level`."""
        later = len(self.sizes) - 1
        return (self.level * SPENT, *[self.level * (1 - SPENT) / later] * later) if later else (self.level,)
