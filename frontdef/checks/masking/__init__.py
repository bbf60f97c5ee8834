"""Is the gradient lying? Checks of a defended model, each with its figure, threshold, cost and reference.

    diagnosis = diagnose(protected, x, y, ThreatModel("linf", 0.1))
    diagnosis.verdict, diagnosis.reasons

A check is a small function in `checks`, registered in `CHECKS`; `docs/masking.md` explains them. A name is imported
when it is used, `CHECKS` with all that fills it: who reads a stored diagnosis runs none.
"""

from typing import TYPE_CHECKING

from frontdef.lazy import attributes

if TYPE_CHECKING:
    from frontdef.checks.kit import Check, Cost, Finding, Strength
    from frontdef.checks.masking.budget import Budget
    from frontdef.checks.masking.diagnosis import code, diagnose, measure, verdict
    from frontdef.checks.masking.markdown import to_markdown
    from frontdef.checks.masking.record import RULE, Diagnosis, Verdict
    from frontdef.checks.masking.table import CHECKS

__all__ = [
    "CHECKS",
    "RULE",
    "Budget",
    "Check",
    "Cost",
    "Diagnosis",
    "Finding",
    "Strength",
    "Verdict",
    "code",
    "diagnose",
    "measure",
    "to_markdown",
    "verdict",
]

__getattr__ = attributes(
    __name__,
    {
        "frontdef.checks.kit": ("Check", "Cost", "Finding", "Strength"),
        "frontdef.checks.masking.budget": ("Budget",),
        "frontdef.checks.masking.diagnosis": ("CHECKS", "code", "diagnose", "measure", "verdict"),
        "frontdef.checks.masking.markdown": ("to_markdown",),
        "frontdef.checks.masking.record": ("RULE", "Diagnosis", "Verdict"),
    },
)
