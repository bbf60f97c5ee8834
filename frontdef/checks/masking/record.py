"""What a diagnosis says: findings, and the verdict that they amount to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from frontdef.checks.kit import Cost, Finding, alarms, plain

Verdict = Literal["trusted", "suspicious", "masked", "invalid"]


@dataclass(frozen=True)
class Diagnosis:
    """Is the gradient lying?

    Args:
        verdict: ``trusted``, ``suspicious``, ``masked`` or ``invalid``.
        reasons: Why, strongest first.
        findings: All that was found, in the order of the checks.
        norm: Norm of the threat model.
        eps: Its radius.
        n: Samples given.
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
    """

    verdict: Verdict
    reasons: tuple[str, ...]
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

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that object."""
        return alarms(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `json.dumps`; a figure that is not finite becomes None."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        cost = {"forward": self.cost.forward, "backward": self.cost.backward}
        data: dict[str, Any] = plain(
            {**values, "cost": cost, "findings": [finding.to_dict() for finding in self.findings]}
        )
        return data
