"""What needs a look: where libraries disagree, once a cause, and what too few samples leave open."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from frontdef.report.data import ReportData
from frontdef.report.tables import MODES, variant
from frontdef.threat import NORM_LABELS, check_norm, format_eps
from frontdef.verdicts.agreement import DISAGREE, MARGIN, Agreement
from frontdef.verdicts.resolution import deciding


@dataclass(frozen=True)
class Disagreement:
    """The comparisons in which libraries disagree for one reason.

    Args:
        mode: With the same parameters, or with each library's own defaults.
        verdict: What came of them.
        name: The cause in one word or two; empty where none is known.
        known: The named differences that explain it, or what is known of it.
        rows: The comparisons.
    """

    mode: str
    verdict: str
    name: str
    known: str
    rows: tuple[Agreement, ...]

    @property
    def where(self) -> str:
        """Attacks, pairs of libraries and threat models, each once."""
        threats: dict[str, dict[str, None]] = {}
        for row in sorted(self.rows, key=lambda row: row.eps):
            threats.setdefault(NORM_LABELS[check_norm(row.norm)], {})[format_eps(row.eps)] = None
        said = [
            ", ".join(dict.fromkeys(row.family for row in self.rows)),
            ", ".join(dict.fromkeys(f"{row.library_a} / {row.library_b}" for row in self.rows)),
            ", ".join(f"{norm} {', '.join(radii)}" for norm, radii in threats.items()),
        ]
        return " · ".join(said)


def causes(data: ReportData) -> list[Disagreement]:
    """Where libraries disagree, once a cause: the gravest first, then what happens most often."""
    by_cause: dict[tuple[str, str, str, str], list[Agreement]] = {}
    for row in data.agreements:
        if row.verdict in DISAGREE:
            by_cause.setdefault((row.mode, row.verdict, row.cause, row.known or row.family), []).append(row)
    grouped = [
        Disagreement(mode, verdict, name, rows[0].known, tuple(sorted(rows, key=lambda row: row.p_holm)))
        for (mode, verdict, name, _), rows in by_cause.items()
    ]
    modes = list(MODES)
    return sorted(grouped, key=lambda cause: (modes.index(cause.mode), DISAGREE.index(cause.verdict), -len(cause.rows)))


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
