"""The kit that a plugin author runs: every promise of a defense as a property that is tested.

``frontdef check NAME`` prints the verdict; in a plugin's own tests, subclass the pytest class::

    from frontdef.checks.conformance import DefenseConformance


    class TestRounding(DefenseConformance):
        defense = "rounding"
        config = {"levels": 4}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from frontdef.checks.conformance.properties import PROPERTIES, Property
from frontdef.checks.conformance.subject import Subject
from frontdef.checks.conformance.verdict import Verdict, check
from frontdef.defense import Defense

__all__ = ["PROPERTIES", "DefenseConformance", "Subject", "Verdict", "check"]


class DefenseConformance:
    """Subclass it in a file of tests and name a defense; every property becomes a test."""

    defense: ClassVar[str | Defense]
    """Id of the defense, or its record."""

    config: ClassVar[Mapping[str, Any]] = {}
    """Its configuration."""

    image_shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)
    """``(C,H,W)`` of the images it is tested on."""

    _subject: ClassVar[Subject | None] = None

    @classmethod
    def setup_class(cls) -> None:
        """Build the subject once for all properties; the classifier behind it is trained when one needs it."""
        cls._subject = Subject(cls.defense, dict(cls.config), cls.image_shape)

    @classmethod
    def teardown_class(cls) -> None:
        """Let the subject go."""
        cls._subject = None


def _test(prop: Property) -> Callable[[DefenseConformance], None]:
    def test(self: DefenseConformance) -> None:
        assert self._subject is not None
        prop.check(self._subject)

    test.__doc__ = prop.promise
    return test


for _property in PROPERTIES:
    setattr(DefenseConformance, f"test_{_property.name.replace(' ', '_')}", _test(_property))
