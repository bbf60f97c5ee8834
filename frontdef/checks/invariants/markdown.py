"""Reports as Markdown, to read in a terminal, to keep in the docs, or to paste into an issue."""

from __future__ import annotations

from collections.abc import Sequence

from frontdef.checks.invariants.known import reason
from frontdef.checks.invariants.record import Report, Result
from frontdef.threat import NORM_LABELS

MARKS = {"passed": "✓", "violated": "**violated**", "not applicable": "–", "reported": "reported"}


def to_markdown(report: Report) -> str:
    """One row of a library's table: a line a check.

    Args:
        report: What was found.
    """
    lines = [
        f"## {report.library} {report.family} {NORM_LABELS[report.norm]}",
        "",
        f"`{report.call}`, {report.library} {report.version}: {_verdict(report)}",
        "",
        "| check | | measured | at most | asks |",
        "| --- | --- | --- | --- | --- |",
        *(_row(report, result) for result in report.results),
    ]
    return "\n".join(lines)


def to_grid(reports: Sequence[Report]) -> str:
    """Families × libraries: what each violates, then every violation with what was measured.

    Args:
        reports: Of any rows of any libraries.
    """
    libraries = list(dict.fromkeys(report.library for report in reports))
    found = {(report.family, report.norm, report.library): report for report in reports}
    lines = [f"| family | norm | {' | '.join(libraries)} |", f"| --- | --- |{' --- |' * len(libraries)}"]
    for family, norm in dict.fromkeys((report.family, report.norm) for report in reports):
        cells = [_cell(found.get((family, norm, library))) for library in libraries]
        lines.append(f"| {family} | {NORM_LABELS[norm]} | {' | '.join(cells)} |")
    lines += ["", "| library | family | norm | check | measured | why |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [_violation(report, result) for report in reports for result in report.violations]
    return "\n".join(lines)


def _verdict(report: Report) -> str:
    if not report.violations:
        return "nothing is violated"
    return f"violates {', '.join(result.name for result in report.violations)}"


def _why(report: Report, result: Result) -> str:
    return reason(report.library, report.family, report.norm, result.name) or "**new**"


def _row(report: Report, result: Result) -> str:
    mark = MARKS[result.status]
    if result.status == "violated":
        mark = f"{mark}: {_why(report, result)}"
    threshold = "" if result.threshold is None else f"{result.threshold:.3g}"
    return f"| {' | '.join((result.name, mark, _escape(result.measured), threshold, result.asks))} |"


def _cell(report: Report | None) -> str:
    if report is None:
        return ""
    return ", ".join(result.name for result in report.violations) or "✓"


def _violation(report: Report, result: Result) -> str:
    cells = (
        report.library,
        report.family,
        NORM_LABELS[report.norm],
        result.name,
        _escape(result.measured),
        _why(report, result),
    )
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
