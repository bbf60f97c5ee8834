"""What is under test: a defense with small data and a small classifier trained behind it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef.classifiers.network import seeded
from frontdef.datasets import Split
from frontdef.defense import Defense
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.stage import Stage
from frontdef.training import fit_classifier, prepare

STAGES = (Stage(epochs=6, lr=2e-3, batch_size=64),)
"""A short training on digits: enough for an accuracy that an attack can lower."""


class Subject:
    """A defense under test on scikit-learn's digits, brought to the image shape that is asked for.

    Args:
        defense: Id of the defense, or its record.
        config: Its configuration.
        image_shape: ``(C,H,W)``; gray digits are repeated over channels and resized.
        device: Where to test.

    Raises:
        UnknownNameError: No such defense.
        ConfigError: Invalid configuration.
    """

    def __init__(
        self,
        defense: str | Defense,
        config: Mapping[str, Any] | None = None,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        device: str = "cpu",
    ) -> None:
        self.defense = get_defense(defense) if isinstance(defense, str) else defense
        self.config = dict(config or {})
        self.image_shape = image_shape
        self.device = torch.device(device)

    def build(self, surrogate: str | None = None) -> FrontEnd[Any]:
        """A fresh front end in eval mode, neither prepared nor trained."""
        with seeded(0):
            built = self.defense.build(self.config, image_shape=self.image_shape, surrogate=surrogate)
        return built.eval().to(self.device)

    @cached_property
    def front_end(self) -> FrontEnd[Any]:
        """The front end, prepared, and where it learns trained, on the training images."""
        return self.protected.front_end if self._prepared.learns else self._prepared

    @cached_property
    def _prepared(self) -> FrontEnd[Any]:
        front_end = self.build()
        prepare(front_end, self.train.images, seed=0, device=self.device)
        return front_end if front_end.learns else front_end.requires_grad_(False)

    @cached_property
    def train(self) -> Split:
        """Training images."""
        return self._split("train", 500)

    @cached_property
    def test(self) -> Split:
        """Test images."""
        return self._split("test", 128)

    @cached_property
    def few(self) -> Tensor:
        """Eight test images on the device."""
        return self.test.images[:8].to(self.device)

    @cached_property
    def few_labels(self) -> Tensor:
        """Their labels."""
        return self.test.labels[:8].to(self.device)

    @cached_property
    def protected(self) -> Protected:
        """The front end with a classifier trained behind it, by the defense's own recipe for digits if it has one."""
        front_end = self._prepared
        with torch.no_grad():
            shape = tuple(front_end(self.few).shape[1:])
        name = self.defense.classifier or "linear"
        classifier = get_classifier(name).build(shape, 10, seed=0)
        stages = self.defense.recipe_for(self.config, "digits") or STAGES
        fit_classifier(front_end, classifier, self.train, stages, seed=0, device=self.device)
        return Protected(front_end, classifier, image_shape=self.image_shape).to(self.device)

    @cached_property
    def right(self) -> Tensor:
        """Which test images it classifies correctly, bool ``(N,)``."""
        return self.protected.predict(self.test.images.to(self.device)).argmax(1).cpu() == self.test.labels

    def _split(self, name: str, n: int) -> Split:
        split = get_dataset("digits").load("train" if name == "train" else "test").take(n, 0)
        channels, *size = self.image_shape
        images = split.images
        if list(images.shape[2:]) != size:
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False).clamp(0, 1)
        return Split(images.repeat(1, channels, 1, 1), split.labels, split.ids)
