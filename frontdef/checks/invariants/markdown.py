"""Reports as Markdown, to read in a terminal, to keep in the docs, or to paste into an issue."""

from __future__ import annotations

from collections.abc import Sequence

from frontdef.checks import kit
from frontdef.checks.invariants.record import Report
from frontdef.threat import NORM_LABELS, format_eps


def to_markdown(report: Report) -> str:
    """One row of a library's table: a line a check.

    Args:
        report: What was found.
    """
    names = ", ".join(violation.name for violation in report.violations)
    verdict = f"violates {names}" if names else "nothing is violated"
    if report.mended:
        verdict += f"; known and not seen any more: {', '.join(report.mended)}"
    where = f", on {report.model} at ε = {format_eps(report.eps)}" if report.model and report.eps else ""
    return kit.to_markdown(
        f"{report.library} {report.family} {NORM_LABELS[report.norm]}",
        f"`{report.call}`, {report.library} {report.version}{where}: {verdict}",
        report.findings,
        note=lambda finding: report.known.get(finding.name, "**new**"),
        columns={"asks": lambda finding: finding.meaning},
    )


def to_grid(reports: Sequence[Report]) -> str:
    """Families × libraries: what each violates, then every violation with what was measured.

    Args:
        reports: Of any rows of any libraries.
    """
    libraries = list(dict.fromkeys(report.library for report in reports))
    rows = {(report.family, report.norm, report.library): report for report in reports}
    grid = [
        (family, NORM_LABELS[norm], *(_cell(rows.get((family, norm, library))) for library in libraries))
        for family, norm in dict.fromkeys((report.family, report.norm) for report in reports)
    ]
    violations = [
        (
            report.library,
            report.family,
            NORM_LABELS[report.norm],
            violation.name,
            violation.measured,
            report.known.get(violation.name, "**new**"),
        )
        for report in reports
        for violation in report.violations
    ]
    titles = ("library", "family", "norm", "check", "measured", "why")
    return "\n".join(
        [
            *kit.markdown_table(("family", "norm", *libraries), grid),
            "",
            *kit.markdown_table(titles, violations),
        ]
    )


def _cell(report: Report | None) -> str:
    if report is None:
        return ""
    return ", ".join(violation.name for violation in report.violations) or kit.MARKS["passed"]
