"""What a job of a matrix tells beside its rows, as it must be when it is read back."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, NonNegativeFloat, NonNegativeInt

Passes = dict[Literal["forward", "backward"], NonNegativeFloat]


class ToldAttempt(BaseModel):
    """An attack of a diagnosis, as `frontdef.checks.masking.attempts.Attempt`."""

    name: str
    surrogate: str
    steps: NonNegativeInt
    restarts: NonNegativeInt
    n: NonNegativeInt
    broken: NonNegativeInt


class ToldDiagnosis(BaseModel):
    """A diagnosis without its findings, as `frontdef.checks.masking.record.Diagnosis`, and whom its attacks broke."""

    verdict: Literal["trusted", "suspicious", "masked", "invalid"]
    norm: str
    eps: NonNegativeFloat
    n: NonNegativeInt
    n_correct: NonNegativeInt
    n_certified: NonNegativeInt
    n_attacked: NonNegativeInt
    n_survived: NonNegativeInt | None
    seed: int
    budget: dict[str, int]
    cost: Passes
    seconds: NonNegativeFloat
    versions: dict[str, str]
    surrogate: str
    attempts: tuple[ToldAttempt, ...]
    most: NonNegativeInt
    looks: tuple[NonNegativeInt, ...]
    detectable: float | None
    broke: dict[str, tuple[int, ...]]
