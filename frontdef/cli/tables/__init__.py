"""The tables of the terminal: the same figures, in the same order, as the report's."""

from frontdef.cli.tables.agreement import print_agreement
from frontdef.cli.tables.frames import print_failures, print_frame
from frontdef.cli.tables.metrics import print_metrics
from frontdef.cli.tables.plan import print_plan
from frontdef.cli.tables.robustness import print_results

__all__ = ["print_agreement", "print_failures", "print_frame", "print_metrics", "print_plan", "print_results"]
