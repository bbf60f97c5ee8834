"""What an examination says of one row of a library's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontdef.checks.kit import Finding, alarms, plain


@dataclass(frozen=True)
class Report:
    """All checks of one row.

    Args:
        library: The library's id.
        version: Its version.
        family: The family's name.
        norm: The norm.
        call: The library's own name for it.
        findings: In the order of the checks.
        known: Name of a check → why the row is known to violate it.
        model: Whose model it was examined on; empty for the small one of these checks.
        eps: The radius.
        certain: The known violations that any processor shows, on the small model.
    """

    library: str
    version: str
    family: str
    norm: str
    call: str
    findings: tuple[Finding, ...]
    known: Mapping[str, str]
    model: str = ""
    eps: float | None = None
    certain: tuple[str, ...] = ()

    @property
    def mended(self) -> tuple[str, ...]:
        """Known violations that this release does not show any more."""
        shown = {violation.name for violation in self.violations}
        return tuple(name for name in self.certain if name not in shown)

    @property
    def violations(self) -> tuple[Finding, ...]:
        """The findings that object."""
        return alarms(self.findings)

    @property
    def new(self) -> tuple[Finding, ...]:
        """The violations that the row does not name."""
        return tuple(violation for violation in self.violations if violation.name not in self.known)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `json.dumps`; a figure that is not finite becomes None."""
        names = ("library", "version", "family", "norm", "call", "known", "mended", "model", "eps")
        data: dict[str, Any] = plain({name: getattr(self, name) for name in names})
        return {**data, "findings": [finding.to_dict() for finding in self.findings]}
