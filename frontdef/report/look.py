"""What needs a look: where libraries disagree, and what too few samples leave open."""

from __future__ import annotations

from collections import Counter

from frontdef.report.data import ReportData
from frontdef.report.tables import variant
from frontdef.verdicts.agreement import DISAGREE, MARGIN, Agreement
from frontdef.verdicts.resolution import deciding


def disagreements(data: ReportData) -> list[tuple[str, int, int, str]]:
    """For each way of comparing: what it is, how many comparisons disagree, of how many, and by which verdicts."""
    said = []
    for mode, words in (("matched", "with the same parameters"), ("defaults", "with their own defaults")):
        count = Counter(row.verdict for row in data.agreements if row.mode == mode)
        by_verdict = [f"{count[verdict]} {verdict}" for verdict in DISAGREE if count[verdict]]
        if count:
            said.append((words, sum(count[verdict] for verdict in DISAGREE), count.total(), ", ".join(by_verdict)))
    return said


def undecided(data: ReportData) -> list[tuple[Agreement, int | None]]:
    """Comparisons that too few samples leave open, each with about how many would decide it, fewest first.

    None stands where no sample is right without attack.
    """
    tests = len(data.agreements)
    rows = [
        (row, deciding(row.only_a, row.only_b, row.n, MARGIN, tests, row.level) if row.n else None)
        for row in data.agreements
        if row.verdict == "inconclusive"
    ]
    return sorted(rows, key=lambda pair: (pair[1] is None, pair[1] or 0))


def why(data: ReportData, row: Agreement) -> str:
    """A verdict in words, without what is said of its cause already."""
    said = row.reason.removesuffix(f". Known: {row.known}") if row.known else row.reason
    return ": ".join(filter(None, (variant(data, row), said)))
