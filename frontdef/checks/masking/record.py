"""What a diagnosis says: findings, and the verdict that they amount to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from pydantic import TypeAdapter

from frontdef.checks.kit import Cost, Finding, Strength, alarms, plain
from frontdef.checks.masking.attempts import Attempt
from frontdef.notebook import lines, table
from frontdef.threat import format_eps
from frontdef.verdicts.resolution import POWER

Verdict = Literal["trusted", "suspicious", "masked", "invalid"]

FEWEST = 10
"""Samples without which no test reaches its level: eight of eight is the first result that does."""

RULE: Mapping[Strength, Verdict] = {"invalid": "invalid", "proof": "masked", "hint": "suspicious"}
"""The verdict is that of the strongest alarm; without any it is ``trusted``. Hints do not add up to a proof."""


@dataclass(frozen=True)
class Diagnosis:
    """Is the gradient lying?

    Args:
        verdict: ``trusted``, ``suspicious``, ``masked`` or ``invalid``.
        findings: All that was found, in the order of the checks.
        norm: Norm of the threat model.
        eps: Its radius.
        n: Samples looked at.
        n_correct: Of these, correctly classified without attack.
        n_certified: Of these, proved robust.
        n_attacked: Correct and not proved: the samples that the checks look at.
        n_survived: Of these, not broken by the white-box attack that is under suspicion; None where it was not run.
        seed: Of every draw.
        budget: What the attacks were allowed.
        cost: Passes of the whole diagnosis, a sample; a shared attack is counted once.
        seconds: Wall time.
        versions: Distribution → version.
        surrogate: The gradient that the attack climbed: the strongest that the front end offers.
        attempts: Every attack within the threat model that could be run, and how hard it tried.
        most: Samples that it might have looked at.
        looks: Sizes of the looks that were taken; a check's finding says at how many samples it was decided.
        detectable: The smallest gain of a rival that would have raised an alarm with probability 0.8.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    norm: str
    eps: float
    n: int
    n_correct: int
    n_certified: int
    n_attacked: int
    n_survived: int | None
    seed: int
    budget: Mapping[str, int]
    cost: Cost
    seconds: float
    versions: Mapping[str, str]
    surrogate: str = ""
    attempts: tuple[Attempt, ...] = ()
    most: int = 0
    looks: tuple[int, ...] = ()
    detectable: float | None = None

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that object."""
        return alarms(self.findings)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, strongest first."""
        strengths = [*RULE, ""]
        raised = sorted(self.alarms, key=lambda alarm: strengths.index(alarm.strength))
        return tuple(map(str, raised)) or tuple(self._quiet())

    def _quiet(self) -> Iterator[str]:
        """What is said where no check objects."""
        if self.n_survived is None and self.n_correct and not self.n_attacked:
            yield f"a certificate proves all {self.n_correct} correctly classified samples: no gradient is needed"
            return
        if self.n_survived is None:
            yield f"too few samples to tell: {self.n_attacked} correct and not certified, at least {FEWEST} are needed"
            return
        said = f"{len(self.findings)} checks on {self.n_attacked} samples raised no objection"
        if not self.n_survived:
            yield f"{said}; the white-box attack breaks them all, so nothing is claimed that could be false"
            return
        if self.detectable is not None:
            said += f"; a rival that breaks {self.detectable:.0%} more would have been seen with a probability of "
            said += f"{POWER:.0%}"
        yield said
        if doubts := [f"{finding.name} ({finding.measured})" for finding in self.findings if finding.undecided]:
            yield f"undecided with all samples: {'; '.join(doubts)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `json.dumps`, its reasons among them; a figure that is not finite becomes None."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        cost = {"forward": self.cost.forward, "backward": self.cost.backward}
        data: dict[str, Any] = plain(
            {
                **values,
                "reasons": self.reasons,
                "cost": cost,
                "findings": [finding.to_dict() for finding in self.findings],
                "attempts": [asdict(attempt) for attempt in self.attempts],
            }
        )
        return data

    def _repr_html_(self) -> str:
        """A notebook shows the verdict, its reasons, and every check, those that object first."""
        said = f"{self.verdict}: {self.norm} ε = {format_eps(self.eps)}, {self.n_attacked} samples attacked"
        rows = [
            ("✕ alarm" if check.alarm else check.status, check.name, check.measured, check.reference)
            for check in sorted(self.findings, key=lambda check: not check.alarm)
        ]
        return lines(self.reasons) + table(said, ("result", "check", "measured", "published"), rows)


def read_diagnosis(stored: Mapping[str, Any]) -> Diagnosis:
    """A diagnosis as it was stored; what else stands there is left out.

    Args:
        stored: As `Diagnosis.to_dict` gives it.
    """
    return _DIAGNOSIS.validate_python(stored)


_DIAGNOSIS = TypeAdapter(Diagnosis)
