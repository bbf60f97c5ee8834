"""Several runs of the samples that are left, as the rows of one batch: who fell in which run, and who still stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

FULL: Mapping[str, int] = {"cpu": 32}
"""Rows that a device computes in hardly more time than one; a pass is filled with runs up to so many."""

FULL_ELSEWHERE = 1024

GROWTH = 4
"""A wave is at most so many times what was made before it: a sample that falls soon costs few runs in vain."""

RunT = TypeVar("RunT")


@dataclass
class Wave:
    """Rows lie run after run. Where one succeeds, the later runs of its sample are dropped and the earlier ones go on.

    So the first success counts, as it does where runs are made one by one, and a sample's result does not depend on how
    many others are left.

    Args:
        result: Where examples are written, ``(N,C,H,W)``.
        left: Samples that it is about, int64.
        runs: How many runs there are of each.
        sample: The sample of each row.
        run: The run of each row.
        first: The first run that succeeded, a sample; ``runs`` where none did, ``(N,)``.
    """

    result: Tensor
    left: Tensor
    runs: int
    sample: Tensor
    run: Tensor
    first: Tensor

    @classmethod
    def of(cls, result: Tensor, left: Tensor, runs: int) -> Wave:
        """So many runs of the samples that are left."""
        return cls(
            result=result,
            left=left,
            runs=runs,
            sample=left.repeat(runs),
            run=torch.arange(runs, device=left.device).repeat_interleave(len(left)),
            first=torch.full((len(result),), runs, device=left.device),
        )

    def __len__(self) -> int:
        return len(self.sample)

    def settle(self, fell: Tensor, current: Tensor) -> Tensor:
        """Keep the examples of the rows that succeeded; which rows still matter, bool, one a row."""
        self.first.scatter_reduce_(0, self.sample[fell], self.run[fell], "amin")
        best = fell & (self.run == self.first[self.sample])
        self.result[self.sample[best]] = current[best]
        return self.run < self.first[self.sample]

    def show(self, rows: Tensor, current: Tensor) -> None:
        """Write what rows without success end at; of a sample the last run counts."""
        shown = rows & (self.run == self.runs - 1)
        self.result[self.sample[shown]] = current[shown]

    def keep(self, rows: Tensor) -> None:
        """Forget the other rows."""
        self.sample, self.run = self.sample[rows], self.run[rows]

    @property
    def standing(self) -> Tensor:
        """Samples that no run has broken so far, int64."""
        return self.left[self.first[self.left] == self.runs]


def waves(
    attempt: Callable[[list[RunT], Tensor, int], Tensor], runs: Iterator[RunT], count: int, left: Tensor, samples: int
) -> Tensor:
    """Make runs until none is left to make, or no sample; where few samples are left, several runs at once.

    Of runs beside each other those after the first that succeeds are wasted, and of runs one by one the pass that is
    not full; so the waves grow.

    Args:
        attempt: ``(some runs, samples that are left, runs yet to come) → samples that still stand``.
        runs: All of them.
        count: How many these are.
        left: Samples that stand, int64.
        samples: Samples of the batch: a pass is not to be larger.

    Returns:
        The samples that still stand.
    """
    room = min(samples, FULL.get(left.device.type, FULL_ELSEWHERE))
    made = 0
    while count and len(left):
        wave = list(islice(runs, max(1, min(room // len(left), GROWTH * made))))
        made, count = made + len(wave), count - len(wave)
        left = attempt(wave, left, count)
    return left
