"""The checks, in the order in which they are reported: a table that the files of `checks` fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from frontdef.checks.masking.record import Finding, Measurement, Strength

if TYPE_CHECKING:
    from frontdef.checks.masking.evidence import Evidence

Measure = Callable[["Evidence"], Finding]


@dataclass(frozen=True)
class Check:
    """One question that a lying gradient answers wrongly.

    Args:
        name: Its name.
        meaning: What an alarm says about the model, in one sentence.
        strength: What an alarm is worth.
        reference: Where the check was published.
        measure: Measures it.
    """

    name: str
    meaning: str
    strength: Strength
    reference: str
    measure: Measure

    def __call__(self, evidence: Evidence) -> Measurement:
        """Measure, and count the passes that it took."""
        with evidence.accounting() as spent:
            finding = self.measure(evidence)
        return Measurement(
            name=self.name,
            alarm=finding.alarm,
            strength=finding.strength or self.strength,
            figure=finding.figure,
            threshold=finding.threshold,
            measured=finding.measured,
            meaning=self.meaning,
            reference=self.reference,
            cost=spent(),
        )


CHECKS: list[Check] = []


def check(name: str, *, strength: Strength, reference: str) -> Callable[[Measure], Measure]:
    """Register a function as a check; the first line of its docstring is what an alarm means."""

    def register(measure: Measure) -> Measure:
        meaning = (measure.__doc__ or "").strip().splitlines()[0].rstrip(".")
        CHECKS.append(Check(name, meaning[0].lower() + meaning[1:], strength, reference, measure))
        return measure

    return register


def not_applicable(why: str) -> Finding:
    """No alarm, because there is nothing to measure."""
    return Finding(False, why)
