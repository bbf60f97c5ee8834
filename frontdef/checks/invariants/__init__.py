"""Is an attack implementation right? Invariants that need no second library, each with its threshold and reference.

    report = examine(get_attack_libraries()["art"], get_family("pgd"), "linf")
    report.violations

A check is a small function in `checks`, registered in `CHECKS`; `docs/invariants.md` explains them.
"""

from frontdef.checks.invariants.examine import examine, rows
from frontdef.checks.invariants.known import KNOWN, UNEXAMINED, reason
from frontdef.checks.invariants.record import Finding, Report, Result, Status
from frontdef.checks.invariants.registry import CHECKS, Check

__all__ = [
    "CHECKS",
    "KNOWN",
    "UNEXAMINED",
    "Check",
    "Finding",
    "Report",
    "Result",
    "Status",
    "examine",
    "reason",
    "rows",
]
