"""Is the gradient lying? Checks of a defended model, each with its figure, threshold, cost and reference.

    diagnosis = diagnose(protected, x, y, ThreatModel("linf", 0.1))
    diagnosis.verdict, diagnosis.reasons

A check is a small function in `checks`, registered in `CHECKS`; `docs/masking.md` explains them.
"""

from frontdef.checks.masking.budget import Budget
from frontdef.checks.masking.diagnosis import RULE, diagnose, verdict
from frontdef.checks.masking.markdown import to_markdown
from frontdef.checks.masking.record import Cost, Diagnosis, Finding, Measurement, Strength, Verdict
from frontdef.checks.masking.registry import CHECKS, Check

__all__ = [
    "CHECKS",
    "RULE",
    "Budget",
    "Check",
    "Cost",
    "Diagnosis",
    "Finding",
    "Measurement",
    "Strength",
    "Verdict",
    "diagnose",
    "to_markdown",
    "verdict",
]
