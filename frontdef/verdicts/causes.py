"""Where libraries disagree, once a cause, with how often and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from frontdef.notebook import table
from frontdef.threat import NORM_LABELS, check_norm, format_eps
from frontdef.verdicts.agreement import DISAGREE, Agreement, Mode


class Agreements(list[Agreement]):
    """The verdicts of a run; a notebook shows how often each was given, and where libraries disagree, once a cause."""

    def _repr_html_(self) -> str:
        count = Counter((row.mode, row.verdict) for row in self)
        counted = [(mode, verdict, number) for (mode, verdict), number in count.items()]
        grouped = causes(self)
        rows = [
            (
                cause.mode, cause.verdict, len(cause.rows), cause.where, ", ".join(cause.defenses),
                f"{cause.rows[0].p_holm:.2g}", cause.name, cause.rows[0].reason,
            )
            for cause in grouped
        ]  # fmt: skip
        titles = ("parameters", "verdict", "comparisons", "where", "defenses", "least p corrected", "cause", "for one")
        disagree = sum(len(cause.rows) for cause in grouped)
        said = f"{disagree} of {len(self)} comparisons disagree; p is corrected (Holm) for all {len(self)}"
        tables = [table("verdicts", ("parameters", "verdict", "comparisons"), counted), table(said, titles, rows)]
        return "".join(tables)


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

    @property
    def defenses(self) -> tuple[str, ...]:
        """On which defenses, each once."""
        return tuple(dict.fromkeys(row.defense for row in self.rows))


def causes(agreements: Iterable[Agreement]) -> list[Disagreement]:
    """The gravest first, then what happens most often.

    Args:
        agreements: The comparisons of a run.
    """
    by_cause: dict[tuple[str, str, str, str], list[Agreement]] = {}
    for row in agreements:
        if row.verdict in DISAGREE:
            by_cause.setdefault((row.mode, row.verdict, row.cause, row.known or row.family), []).append(row)
    grouped = [
        Disagreement(mode, verdict, name, rows[0].known, tuple(sorted(rows, key=lambda row: row.p_holm)))
        for (mode, verdict, name, _), rows in by_cause.items()
    ]
    modes = get_args(Mode)
    return sorted(grouped, key=lambda cause: (modes.index(cause.mode), DISAGREE.index(cause.verdict), -len(cause.rows)))
