"""The kit that a plugin author runs: every promise of a defense as a check.

``frontdef check NAME`` prints the verdict; in a plugin's own tests, subclass the pytest class::

    from frontdef.checks.conformance import DefenseConformance


    class TestRounding(DefenseConformance):
        defense = "rounding"
        config = {"levels": 4}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from frontdef.checks.conformance.properties import CHECKS
from frontdef.checks.conformance.subject import Subject
from frontdef.checks.conformance.verdict import Verdict, check
from frontdef.checks.kit import Check, Finding
from frontdef.defense import Defense

__all__ = ["CHECKS", "Check", "DefenseConformance", "Finding", "Subject", "Verdict", "check"]


class DefenseConformance:
    """Subclass it in a file of tests and name a defense; every check becomes a test."""

    defense: ClassVar[str | Defense]
    """Id of the defense, or its record."""

    config: ClassVar[Mapping[str, Any]] = {}
    """Its configuration."""

    image_shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)
    """``(C,H,W)`` of the images it is tested on."""

    _subject: ClassVar[Subject | None] = None

    @classmethod
    def setup_class(cls) -> None:
        """Build the subject once for all checks; the classifier behind it is trained when one needs it."""
        cls._subject = Subject(cls.defense, dict(cls.config), cls.image_shape)

    @classmethod
    def teardown_class(cls) -> None:
        """Let the subject go."""
        cls._subject = None


def _test(promise: Check[Subject]) -> Callable[[DefenseConformance], None]:
    def test(self: DefenseConformance) -> None:
        import pytest

        assert self._subject is not None
        finding = promise(self._subject)
        assert not finding.alarm, finding.measured
        if finding.status == "not tested":
            pytest.skip(f"not tested: {finding.measured}")

    test.__doc__ = promise.meaning
    return test


for _promise in CHECKS:
    setattr(DefenseConformance, f"test_{_promise.name.replace(' ', '_')}", _test(_promise))
