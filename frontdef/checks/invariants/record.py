"""What an examination is made of: one result a check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["passed", "violated", "not applicable", "reported"]


@dataclass(frozen=True)
class Finding:
    """What a check measured.

    Args:
        status: ``reported`` where a figure is given and not judged.
        measured: What was measured, in words and figures.
        figure: The figure that is compared; None where there was nothing to measure.
        threshold: The largest figure that passes; None where it is not judged.
    """

    status: Status
    measured: str
    figure: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Result:
    """One check of one row of a library's table.

    Args:
        name: The check.
        status: Its outcome.
        measured: What was measured.
        figure: The figure that is compared.
        threshold: The largest figure that passes.
        asks: What the check asks, in one sentence.
        reference: Why an attack must do so.
    """

    name: str
    status: Status
    measured: str
    figure: float | None
    threshold: float | None
    asks: str
    reference: str


@dataclass(frozen=True)
class Report:
    """All checks of one row.

    Args:
        library: The library's id.
        version: Its version.
        family: The family's name.
        norm: The norm.
        call: The library's own name for it.
        results: In the order of the checks.
    """

    library: str
    version: str
    family: str
    norm: str
    call: str
    results: tuple[Result, ...]

    @property
    def violations(self) -> tuple[Result, ...]:
        """The results that object."""
        return tuple(result for result in self.results if result.status == "violated")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `json.dumps`."""
        return asdict(self)
