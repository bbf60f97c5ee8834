"""A share of a plan's jobs for one of several machines that need not know of each other."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from frontdef.errors import ConfigError
from frontdef.runs.job import Job

OVERSPLIT = 4
"""Pieces a shard: a model's jobs are cut only where they are heavier than one."""


@dataclass(frozen=True)
class Shard:
    """The i-th of n shares. The shares of one plan are disjoint and give it whole.

    Args:
        index: Which, from 1.
        count: How many there are.

    Raises:
        ConfigError: There is no such share.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise ConfigError(
                f"a shard is one of n, counted from 1 (1/4, 2/4, 3/4, 4/4), got {self.index}/{self.count}. Where a "
                "machine counts from 0, as Kubernetes does: --shard $((JOB_COMPLETION_INDEX + 1))/4"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``"3/8"``.

        Raises:
            ConfigError: It is none, or there is no such share.
        """
        written = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        if written is None:
            raise ConfigError(f"a shard reads 3/8, the third of eight, got {text!r}")
        return cls(int(written[1]), int(written[2]))

    def of(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """The jobs of this share, in their order.

        The jobs of one model stay together where they weigh no more than a piece, a quarter of a fair share; those of a
        heavier model are cut into pieces in their order. Pieces are dealt from the heaviest, each to the share that has
        least: so none gets more than a fair share and one piece, or one job where a job is heavier than that. Weights
        are the passes that a job asks for, so the shares depend on the plan alone: the same command gives the same one.

        Args:
            jobs: Those of the whole plan.
        """
        pieces = sorted(_pieces(jobs, self.count), key=lambda piece: -piece[0])
        loads = [(0.0, shard) for shard in range(1, min(self.count, len(pieces)) + 1)]  # no piece reaches another share
        mine: set[int] = set()
        for weight, positions in pieces:
            load, shard = heapq.heappop(loads)
            heapq.heappush(loads, (load + weight, shard))
            if shard == self.index:
                mine.update(positions)
        return tuple(jobs[position] for position in sorted(mine))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def _pieces(jobs: Sequence[Job], count: int) -> Iterator[tuple[float, list[int]]]:
    """Weight and positions of jobs that stay together."""
    models: dict[str, list[int]] = {}
    for position, job in enumerate(jobs):
        models.setdefault(job.models[0].key() if job.models else "", []).append(position)
    weights = [_weight(job) for job in jobs]
    most = sum(weights) / (OVERSPLIT * count)
    for positions in models.values():
        piece: list[int] = []
        filled = 0.0
        for position in positions:
            if piece and filled + weights[position] > most:
                yield filled, piece
                piece, filled = [], 0.0
            piece.append(position)
            filled += weights[position]
        yield filled, piece


def _weight(job: Job) -> float:
    """Passes that a job asks for; one a sample where it does not say."""
    return max(job.passes or 0.0, float(job.size), 1.0)
