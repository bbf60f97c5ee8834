"""Which model is asked for: all that decides its weights, and the key that it is kept under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from frontdef.models.fingerprint import code_of, computing, digest, requirements_of, version_of
from frontdef.registry import defense_entries, get_classifier, get_dataset, get_defense
from frontdef.stage import Stage


class Keyed:
    """Known by a hash of what it says of itself."""

    def describe(self) -> dict[str, Any]:
        """All that decides what it computes, JSON values."""
        raise NotImplementedError

    @cached_property
    def _key(self) -> str:
        return digest(self.describe())

    def key(self) -> str:
        """Hash of `describe`, taken once."""
        return self._key


class Request(Protocol):
    """A model that a job needs; `frontdef.models.load.load_model` knows how to get it."""

    @property
    def dataset(self) -> str:
        """Id of the data set that it is about."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C,H,W)`` of the images that it is about."""

    @property
    def classifier(self) -> str:
        """Name of the classifier behind its front end."""

    @property
    def defense(self) -> str:
        """Id of the defense in front of it."""

    @property
    def training(self) -> str:
        """What was done to it: ``trained here``, ``as it is`` or ``fine-tuned``."""

    def key(self) -> str:
        """Hash of all that decides what it computes."""

    def describe(self) -> dict[str, Any]:
        """The same as JSON values."""


@dataclass(frozen=True)
class ModelRequest(Keyed):
    """All that decides a model's weights. The surrogate gradient of an attack is no part of it.

    Args:
        dataset: Id of the data set.
        classifier: Id of the classifier.
        defense: Id of the defense.
        config: Its full configuration, JSON values.
        recipe: Training stages.
        train_samples: Number of training images; None takes all.
        seed: Decides the samples, the initial weights and the training.
    """

    dataset: str
    classifier: str
    defense: str
    config: Mapping[str, Any]
    recipe: tuple[Stage, ...]
    train_samples: int | None
    seed: int

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C,H,W)`` of the data set's images."""
        return get_dataset(self.dataset).image_shape

    @property
    def training(self) -> str:
        """What was done to it."""
        return "trained here"

    def describe(self) -> dict[str, Any]:
        """All that decides the weights, with the code involved, as JSON values.

        The device is left out: a model trained on one device serves all, so that their results compare.
        """
        defense = get_defense(self.defense)
        plugin = next(entry.plugin for entry in defense_entries() if entry.name == self.defense)
        return {
            "dataset": get_dataset(self.dataset).describe(),
            "classifier": [self.classifier, code_of(get_classifier(self.classifier).builder)],
            "defense": [self.defense, dict(self.config)],
            "plugin": [plugin.pin, code_of(defense.front_end), requirements_of(plugin.distribution)],
            "recipe": [stage.model_dump(mode="json") for stage in self.recipe],
            "train_samples": self.train_samples,
            "seed": self.seed,
            "training": computing("frontdef.models.cache", "frontdef.classifiers"),
            "torch": version_of("torch"),
        }

    def __str__(self) -> str:
        return f"{self.dataset} {self.classifier} {self.defense}"
