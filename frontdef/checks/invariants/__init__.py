"""Is an attack implementation right? Invariants that need no second library, each with its threshold and reference.

    report = examine(get_attack_libraries()["art"], get_family("pgd"), "linf")
    report.violations

A check is a small function in `checks`, registered in `CHECKS`; `docs/invariants.md` explains them. A name is imported
when it is used: who reads what is known of a library examines none.
"""

from typing import TYPE_CHECKING

from frontdef.lazy import attributes

if TYPE_CHECKING:
    from frontdef.checks.invariants.examination import examine, rows
    from frontdef.checks.invariants.known import violated
    from frontdef.checks.invariants.markdown import to_grid, to_markdown
    from frontdef.checks.invariants.record import Report
    from frontdef.checks.invariants.table import CHECKS
    from frontdef.checks.kit import Check, Finding

__all__ = ["CHECKS", "Check", "Finding", "Report", "examine", "rows", "to_grid", "to_markdown", "violated"]

__getattr__ = attributes(
    __name__,
    {
        "frontdef.checks.invariants.examination": ("CHECKS", "examine", "rows"),
        "frontdef.checks.invariants.known": ("violated",),
        "frontdef.checks.invariants.markdown": ("to_grid", "to_markdown"),
        "frontdef.checks.invariants.record": ("Report",),
        "frontdef.checks.kit": ("Check", "Finding"),
    },
)
