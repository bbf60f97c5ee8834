"""The tables of the terminal: the same figures, in the same order, as the report's; imported when shown."""

from typing import TYPE_CHECKING

from frontdef.lazy import attributes

if TYPE_CHECKING:
    from frontdef.cli.tables.agreement import agreement_sheets, print_agreement
    from frontdef.cli.tables.comparison import print_comparison
    from frontdef.cli.tables.frames import failed_sheet, frame_sheet, print_failures, print_frame
    from frontdef.cli.tables.metrics import metric_sheets, print_metrics
    from frontdef.cli.tables.plan import print_plan
    from frontdef.cli.tables.robustness import print_results, worst_sheet

__all__ = [
    "agreement_sheets",
    "failed_sheet",
    "frame_sheet",
    "metric_sheets",
    "print_agreement",
    "print_comparison",
    "print_failures",
    "print_frame",
    "print_metrics",
    "print_plan",
    "print_results",
    "worst_sheet",
]

__getattr__ = attributes(
    __name__,
    {
        "frontdef.cli.tables.agreement": ("agreement_sheets", "print_agreement"),
        "frontdef.cli.tables.comparison": ("print_comparison",),
        "frontdef.cli.tables.frames": ("failed_sheet", "frame_sheet", "print_failures", "print_frame"),
        "frontdef.cli.tables.metrics": ("metric_sheets", "print_metrics"),
        "frontdef.cli.tables.plan": ("print_plan",),
        "frontdef.cli.tables.robustness": ("print_results", "worst_sheet"),
    },
)
