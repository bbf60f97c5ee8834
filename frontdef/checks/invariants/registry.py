"""The checks, in the order in which they are reported: a table that the files of `checks` fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from frontdef.checks.invariants.record import Finding, Result

if TYPE_CHECKING:
    from frontdef.checks.invariants.trial import Trial

Measure = Callable[["Trial"], Finding]


@dataclass(frozen=True)
class Check:
    """One thing that a right implementation does, whatever it is an implementation of.

    Args:
        name: Its name.
        asks: What it asks, in one sentence.
        reference: Why an attack must do so.
        measure: Measures it.
    """

    name: str
    asks: str
    reference: str
    measure: Measure

    def __call__(self, trial: Trial) -> Result:
        """Measure; an attack that raises violates whatever was asked of it."""
        try:
            finding = self.measure(trial)
        except Exception as error:
            finding = Finding("violated", f"raises {type(error).__name__}: {str(error).splitlines()[0][:100]}")
        return Result(
            self.name,
            finding.status,
            finding.measured,
            finding.figure,
            finding.threshold,
            self.asks,
            self.reference,
        )


CHECKS: list[Check] = []


def check(name: str, *, reference: str) -> Callable[[Measure], Measure]:
    """Register a function as a check; the first line of its docstring is what it asks."""

    def register(measure: Measure) -> Measure:
        CHECKS.append(Check(name, (measure.__doc__ or "").strip().splitlines()[0], reference, measure))
        return measure

    return register


def at_most(figure: float, threshold: float, measured: str) -> Finding:
    """Passed where the figure does not exceed the threshold; a NaN exceeds every threshold."""
    return Finding("passed" if figure <= threshold else "violated", measured, figure, threshold)


def not_applicable(why: str) -> Finding:
    """Nothing to measure."""
    return Finding("not applicable", why)
