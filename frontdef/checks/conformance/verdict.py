"""The verdict of ``frontdef check``: each property with its figure, as Markdown to paste into a pull request."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontdef._version import __version__
from frontdef.checks.conformance.properties import PROPERTIES
from frontdef.checks.conformance.subject import Subject


@dataclass(frozen=True)
class Finding:
    """What was found of one property.

    Args:
        name: The property.
        passed: Whether the promise holds.
        figure: What was measured, or how the promise is broken.
        detail: Traceback of an unexpected error; empty otherwise.
    """

    name: str
    passed: bool
    figure: str
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """All findings on one defense.

    Args:
        name: Id of the defense.
        config: Its configuration.
        findings: One a property.
        seconds: How long it took.
    """

    name: str
    config: Mapping[str, Any]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every promise holds."""
        return all(finding.passed for finding in self.findings)

    def to_markdown(self) -> str:
        """The verdict as a Markdown table, and the tracebacks of unexpected errors below it."""
        given = " ".join(f"{key}={value}" for key, value in self.config.items())
        failing = [finding.name for finding in self.findings if not finding.passed]
        said = f"**fails**: {', '.join(failing)}" if failing else "**passes** every property"
        lines = [
            f"## `frontdef check {self.name}{' ' + given if given else ''}`",
            "",
            f"{said} (frontdef {__version__}, {self.seconds:.0f} s)",
            "",
            "| property | | measured |",
            "| --- | --- | --- |",
            *(
                f"| {f.name} | {'✓' if f.passed else '✗'} | {f.figure.replace('|', chr(92) + '|')} |"
                for f in self.findings
            ),
        ]
        for finding in self.findings:
            if finding.detail:
                lines += ["", f"### {finding.name}", "", "```", finding.detail.rstrip(), "```"]
        return "\n".join(lines)


def check(subject: Subject) -> Verdict:
    """Check every property; one that fails does not keep the others from being checked."""
    started = time.perf_counter()
    findings = tuple(_find(prop.name, prop.check, subject) for prop in PROPERTIES)
    return Verdict(subject.defense.name, subject.config, findings, time.perf_counter() - started)


def _find(name: str, measure: Any, subject: Subject) -> Finding:
    try:
        return Finding(name, True, measure(subject))
    except AssertionError as error:
        return Finding(name, False, str(error))
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}".splitlines()[0], traceback.format_exc())
