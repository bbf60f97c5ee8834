"""How hard the attacks of a diagnosis tried, as it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Attempt:
    """An attack that was run, as it is stored: who judges a run has to know how hard it tried.

    Args:
        name: What it is called.
        surrogate: The gradient of the front end that it climbed; empty where it asks for none.
        steps: Gradient steps; 0 where it asks for scores only.
        restarts: Starts, draws or queries: how often it began anew.
        n: Samples that it attacked.
        broken: Of these, misclassified by a fresh look.
    """

    name: str
    surrogate: str
    steps: int
    restarts: int
    n: int
    broken: int


def merged(blocks: Iterable[Iterable[Attempt]]) -> tuple[Attempt, ...]:
    """The attempts on several blocks of samples, each attack once."""
    total: dict[str, Attempt] = {}
    for attempt in (attempt for block in blocks for attempt in block):
        before = total.get(attempt.name)
        if before is not None:
            attempt = replace(before, n=before.n + attempt.n, broken=before.broken + attempt.broken)
        total[attempt.name] = attempt
    return tuple(total.values())


@dataclass(frozen=True)
class Effort:
    """How hard an attack tried, as `Attempt` has it.

    Args:
        surrogate: As there.
        steps: As there.
        restarts: As there.
    """

    surrogate: str = ""
    steps: int = 0
    restarts: int = 1
