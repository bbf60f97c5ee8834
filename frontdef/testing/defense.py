"""The kit for a defense, on a size that a suite can afford."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from frontdef.checks.conformance import DefenseConformance as _DefenseConformance
from frontdef.checks.conformance import Subject
from frontdef.datasets import Split
from frontdef.stage import Stage

SHORT = (Stage(epochs=12, lr=1e-2, batch_size=32),)
"""A training on few digits for a defense without a recipe of its own."""


class DefenseConformance(_DefenseConformance):
    """Subclass it and name a defense; every promise of a front end becomes a test.

    ``frontdef check NAME`` runs the same properties on 500 images of 28×28. A suite that runs at every commit chooses
    a smaller size: a small network, small images, fewer of them. No property is left out.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (1, 12, 12)
    """``(C,H,W)`` of the images it is tested on."""

    classifier: ClassVar[str] = "linear"
    """What is trained behind a defense that names no classifier."""

    train_images: ClassVar[int] = 400
    """Digits that it is prepared and trained on."""

    test_images: ClassVar[int] = 64
    """Digits that it is attacked on."""

    stages: ClassVar[Sequence[Stage]] = ()
    """A training in place of its own recipe for digits, or of `SHORT` where it has none."""

    @classmethod
    def setup_class(cls) -> None:
        """Build the subject once for all properties, and train it where no gradient is recorded."""
        cls._subject = _Sized(cls)
        assert cls._subject.protected.classifier is not None


class _Sized(Subject):
    """The subject of a kit, on as many digits as it asks for."""

    def __init__(self, kit: type[DefenseConformance]) -> None:
        super().__init__(kit.defense, dict(kit.config), kit.image_shape)
        stages = tuple(kit.stages) or self.defense.recipe_for(self.config, "digits") or SHORT
        classifier = self.defense.classifier or kit.classifier
        self.defense = dataclasses.replace(self.defense, recipe=stages, classifier=classifier)
        self._kit: Any = kit

    @cached_property
    def train(self) -> Split:
        """Training images."""
        return self._split("train", self._kit.train_images)

    @cached_property
    def test(self) -> Split:
        """Test images."""
        return self._split("test", self._kit.test_images)
