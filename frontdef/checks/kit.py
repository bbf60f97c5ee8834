"""What the rooms of `frontdef.checks` share: a check, what it found, the table that it stands in, and the Markdown."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, Literal, TypeVar

S = TypeVar("S")

Status = Literal["passed", "alarm", "not applicable", "not tested", "reported"]
Strength = Literal["invalid", "proof", "hint", ""]

MARKS: Mapping[Status, str] = {
    "passed": "✓",
    "alarm": "✗",
    "not applicable": "–",
    "not tested": "? not tested",
    "reported": "reported",
}


@dataclass(frozen=True)
class Cost:
    """Forward and backward passes, means over the samples.

    Args:
        forward: Forward passes a sample.
        backward: Backward passes a sample.
    """

    forward: float = 0.0
    backward: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.forward + other.forward, self.backward + other.backward)


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        status: ``passed``, ``alarm`` where the check objects, ``reported`` where a figure is given and not judged,
            ``not applicable`` where nothing was promised, or ``not tested`` where nothing could try a promise.
        measured: What was measured, in words and figures; or why nothing was.
        figure: The figure that is compared; None where there was nothing to measure.
        threshold: What it is compared with; None where it is not judged.
        strength: What an alarm is worth, in a table that grades its alarms: ``invalid`` (what was checked is no subject
            for it), ``proof`` or ``hint``. Empty for the check's own, and where alarms are not graded.
        name: The check; this and the two after it are filled in by the check itself.
        meaning: What the check asks, or what its alarm says, in one sentence.
        reference: Where the check was published, or why it must hold.
        cost: Passes that it needs by itself, where they were counted; what several checks share is counted in each.
        detail: Traceback of an unexpected error; empty otherwise.
        p: P-value of the test behind it, in a table whose checks are tests; None where there is none.
        level: What that is compared with.
        n: Samples that it was measured on.
        undecided: Whether more samples might have made it an alarm.
    """

    status: Status
    measured: str
    figure: float | None = None
    threshold: float | None = None
    strength: Strength = ""
    name: str = ""
    meaning: str = ""
    reference: str = ""
    cost: Cost = Cost()
    detail: str = ""
    p: float | None = None
    level: float | None = None
    n: int | None = None
    undecided: bool = False

    @property
    def alarm(self) -> bool:
        """Whether the check objects."""
        return self.status == "alarm"

    def __str__(self) -> str:
        said = self.meaning[:1].lower() + self.meaning[1:].rstrip(".")
        return f"{self.name}: {said} ({self.measured})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `json.dumps`; a figure that is not finite becomes None."""
        data: dict[str, Any] = plain({**asdict(self), "alarm": self.alarm})
        return data


def judged(
    objects: bool, measured: str, figure: float | None = None, threshold: float | None = None, strength: Strength = ""
) -> Finding:
    """An alarm, or passed."""
    return Finding("alarm" if objects else "passed", measured, figure, threshold, strength)


def at_most(figure: float, threshold: float, measured: str) -> Finding:
    """Passed where the figure does not exceed the threshold; a NaN exceeds every threshold."""
    return judged(not figure <= threshold, measured, figure, threshold)


def not_applicable(why: str) -> Finding:
    """Nothing to measure."""
    return Finding("not applicable", why)


def not_tested(why: str) -> Finding:
    """A promise that was neither kept nor broken: there was nothing to try it on."""
    return Finding("not tested", why)


@dataclass(frozen=True)
class Check(Generic[S]):
    """One question.

    Args:
        name: Its name.
        meaning: What it asks, or what its alarm says, in one sentence.
        reference: Where it was published, or why it must hold.
        measure: Measures it on a subject.
        strength: What an alarm is worth, in a table that grades its alarms.
    """

    name: str
    meaning: str
    reference: str
    measure: Callable[[S], Finding]
    strength: Strength = ""

    def __call__(self, subject: S) -> Finding:
        """Measure; what the subject raises passes through."""
        return self.complete(self.measure(subject))

    def attempt(self, subject: S) -> Finding:
        """Measure; a subject that raises gives an alarm, whatever was asked of it, with its traceback."""
        try:
            return self(subject)
        except Exception as error:
            first = next(iter(str(error).splitlines()), "")
            measured = f"raises {type(error).__name__}: {first[:100]}"
            return self.complete(Finding("alarm", measured, detail=traceback.format_exc()))

    def complete(self, finding: Finding) -> Finding:
        """The finding with the check's name, meaning and reference."""
        return replace(
            finding,
            name=self.name,
            meaning=self.meaning,
            reference=self.reference,
            strength=finding.strength or self.strength,
        )


class Checks(list[Check[S]]):
    """A table of checks, in the order in which they are reported; the files that define them fill it."""

    def register(
        self, name: str, *, reference: str = "", strength: Strength = ""
    ) -> Callable[[Callable[[S], Finding]], Callable[[S], Finding]]:
        """Register a function as a check; the first line of its docstring is its meaning.

        Args:
            name: As in `Check`.
            reference: As in `Check`.
            strength: As in `Check`.
        """

        def add(measure: Callable[[S], Finding]) -> Callable[[S], Finding]:
            meaning = (measure.__doc__ or "").strip().splitlines()[0]
            self.append(Check(name, meaning, reference, measure, strength))
            return measure

        return add


def alarms(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that object."""
    return tuple(finding for finding in findings if finding.alarm)


def plain(value: Any) -> Any:
    """Plain data for `json.dumps`; a figure that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; a bar inside a cell is escaped."""
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [f"| {' | '.join(cells)} |" for cells in lines]


Column = Callable[[Finding], str]


def to_markdown(
    title: str,
    verdict: str,
    findings: Sequence[Finding],
    *,
    above: Sequence[str] = (),
    note: Column = lambda finding: finding.strength,
    columns: Mapping[str, Column] | None = None,
) -> str:
    """Findings as Markdown, to read in a terminal, to keep in the docs, or to paste into a review.

    Args:
        title: Of what was checked.
        verdict: What the findings amount to, in one line.
        findings: One line of the table each; the traceback of an unexpected error stands below it.
        above: Lines between the verdict and the table.
        note: What stands beside the mark of an alarm.
        columns: Columns after the common ones: title → what it says of a finding.
    """
    columns = columns or {}
    rows = (
        (
            finding.name,
            f"{MARKS[finding.status]} {note(finding) if finding.alarm else ''}".rstrip(),
            finding.measured,
            "" if finding.threshold is None else f"{finding.threshold:.3g}",
            *(say(finding) for say in columns.values()),
        )
        for finding in findings
    )
    table = markdown_table(("check", "", "measured", "threshold", *columns), rows)
    lines = [f"## {title}", "", verdict, "", *(line for line in (*above, "") if above), *table]
    for finding in findings:
        if finding.detail:
            lines += ["", f"### {finding.name}", "", "```", finding.detail.rstrip(), "```"]
    return "\n".join(lines)
