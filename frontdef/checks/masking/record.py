"""What a diagnosis is made of: measurements, and the verdict they amount to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["trusted", "suspicious", "masked", "invalid"]
Strength = Literal["invalid", "proof", "hint"]


@dataclass(frozen=True)
class Cost:
    """Forward and backward passes, means over the samples.

    Args:
        forward: Forward passes a sample.
        backward: Backward passes a sample.
    """

    forward: float = 0.0
    backward: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.forward + other.forward, self.backward + other.backward)


@dataclass(frozen=True)
class Finding:
    """What a check measured.

    Args:
        alarm: Whether it objects.
        measured: What was measured, in words and figures.
        figure: The figure that is compared; None where there was nothing to measure.
        threshold: What it is compared with; None where no threshold is published and none can be derived.
        strength: Weaker than the check's own, where the effect is small.
    """

    alarm: bool
    measured: str
    figure: float | None = None
    threshold: float | None = None
    strength: Strength | None = None


@dataclass(frozen=True)
class Measurement:
    """One check's result.

    Args:
        name: The check.
        alarm: Whether it objects.
        strength: What its alarm is worth: ``invalid`` (the model is no function of a sample), ``proof`` (adversarial
            examples exist that the gradient attack misses, or it has no gradient to follow), ``hint`` (neither).
        figure: What was measured; None where the check does not apply.
        threshold: What it is compared with; None for figures that are reported only.
        measured: The same in words.
        meaning: What an alarm says about the model.
        reference: Where the check was published.
        cost: Passes that it needs by itself; attacks that several checks share are counted in each.
    """

    name: str
    alarm: bool
    strength: Strength
    figure: float | None
    threshold: float | None
    measured: str
    meaning: str
    reference: str
    cost: Cost

    def __str__(self) -> str:
        return f"{self.name}: {self.meaning} ({self.measured})"


@dataclass(frozen=True)
class Diagnosis:
    """Is the gradient lying?

    Args:
        verdict: ``trusted``, ``suspicious``, ``masked`` or ``invalid``.
        reasons: Why, strongest first.
        measurements: All that was measured, in the order of the checks.
        norm: Norm of the threat model.
        eps: Its radius.
        n: Samples given.
        n_correct: Of these, correctly classified without attack.
        n_certified: Of these, proved robust.
        n_attacked: Correct and not proved: the samples that the checks look at.
        n_survived: Of these, not broken by the white-box attack that is under suspicion; None where it was not run.
        seed: Of every draw.
        budget: What the attacks were allowed.
        cost: Passes of the whole diagnosis, a sample; a shared attack is counted once.
        seconds: Wall time.
        versions: Distribution → version.
        surrogate: The gradient that the attack climbed: the strongest that the front end offers.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    norm: str
    eps: float
    n: int
    n_correct: int
    n_certified: int
    n_attacked: int
    n_survived: int | None
    seed: int
    budget: Mapping[str, int]
    cost: Cost
    seconds: float
    versions: Mapping[str, str]
    surrogate: str = ""

    @property
    def alarms(self) -> tuple[Measurement, ...]:
        """The measurements that object."""
        return tuple(measurement for measurement in self.measurements if measurement.alarm)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `json.dumps`; a figure that is not finite becomes None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
