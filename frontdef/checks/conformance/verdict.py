"""The verdict of ``frontdef check``: each promise with its figure, as Markdown to paste into a pull request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontdef._version import __version__
from frontdef.checks import kit
from frontdef.checks.conformance.properties import CHECKS
from frontdef.checks.conformance.subject import Subject
from frontdef.checks.kit import Finding


@dataclass(frozen=True)
class Verdict:
    """All findings on one defense.

    Args:
        name: Id of the defense.
        config: Its configuration.
        findings: In the order of the checks.
        seconds: How long it took.
    """

    name: str
    config: Mapping[str, Any]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that object: broken promises."""
        return kit.alarms(self.findings)

    @property
    def passed(self) -> bool:
        """Whether no promise is broken; those that could not be tried are `untested`."""
        return not self.alarms

    @property
    def untested(self) -> tuple[Finding, ...]:
        """The promises that there was nothing to try on."""
        return tuple(finding for finding in self.findings if finding.status == "not tested")

    def to_markdown(self) -> str:
        """The verdict as a Markdown table, and the tracebacks of unexpected errors below it."""
        command = " ".join(("frontdef check", self.name, *(f"{key}={value}" for key, value in self.config.items())))
        verdict = f"{self._said()} (frontdef {__version__}, {self.seconds:.0f} s)"
        return kit.to_markdown(f"`{command}`", verdict, self.findings)

    def _said(self) -> str:
        if self.alarms:
            return f"**fails**: {_names(self.alarms)}"
        if self.untested:
            return f"**passes** what could be tested; not tested: {_names(self.untested)}"
        return "**passes** every check"


def _names(findings: tuple[Finding, ...]) -> str:
    return ", ".join(finding.name for finding in findings)


def check(subject: Subject) -> Verdict:
    """Check every promise; one that fails does not keep the others from being checked."""
    started = time.perf_counter()
    findings = tuple(promise.attempt(subject) for promise in CHECKS)
    return Verdict(subject.defense.name, subject.config, findings, time.perf_counter() - started)
