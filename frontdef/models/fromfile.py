"""A trained defense that lies in a file, as `frontdef train --out` writes it, whoever trained it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from frontdef.errors import ConfigError
from frontdef.models.fingerprint import code_of, computing, requirements_of, version_of
from frontdef.models.load import Means, load_model
from frontdef.models.place import place_of
from frontdef.models.request import Keyed
from frontdef.models.saved import Saved, read
from frontdef.protected import Protected
from frontdef.registry import defense_entries, get_classifier, get_dataset, get_defense

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, eq=False)
class FileRequest(Keyed):
    """A front end and the classifier behind it, from a file; nothing is trained.

    Args:
        saved: What the file holds.
        dataset: Id of the data set that it is asked about.
    """

    saved: Saved
    dataset: str

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C,H,W)`` of the images that it was trained on."""
        return self.saved.image_shape

    @property
    def classifier(self) -> str:
        """Id of the classifier behind the front end."""
        return str(self.saved.about["request"]["classifier"][0])

    @property
    def defense(self) -> str:
        """Id of the defense."""
        return self.saved.defense

    @property
    def training(self) -> str:
        """What was done to it."""
        return "as it is"

    def describe(self) -> dict[str, Any]:
        """All that decides what it computes, JSON values. Where the file lies is no part of it."""
        plugin = next(entry.plugin for entry in defense_entries() if entry.name == self.defense)
        front_end = get_defense(self.defense).front_end
        return {
            "weights": self.saved.about["sha256"],
            "classifier": [self.classifier, code_of(get_classifier(self.classifier).builder)],
            "plugin": [plugin.pin, code_of(front_end), requirements_of(plugin.distribution)],
            "code": computing(__name__, "frontdef.classifiers.network"),
            "torch": version_of("torch"),
        }

    def __str__(self) -> str:
        return f"{self.dataset} {self.classifier} {self.defense}"


def open_trained(
    written: str, base: Path, *, dataset: str, defense: str, config: Mapping[str, Any], classifier: str = ""
) -> FileRequest:
    """The trained defense of a file, for a data set that it fits.

    Args:
        written: The path, as it is written.
        base: Where relative paths start.
        dataset: Id of the data set.
        defense: Id of the defense that is asked for.
        config: Values that it must have been trained with.
        classifier: Id of the classifier that must stand behind it; empty for any.

    Raises:
        StoreError: Missing, damaged, or no trained defense.
        ConfigError: Another defense, configuration, classifier, or other images and classes than the data set's.
        ModelError: No path.
    """
    saved, wanted = read(place_of(written, base, "weights")), get_dataset(dataset)
    saved.require(defense, config, wanted.image_shape)
    request = FileRequest(saved, dataset)
    if "classifier" not in saved.about["request"]:
        saved.classifier()  # says what to do instead
    if classifier and classifier != request.classifier:
        raise ConfigError(
            f"{saved.path} has the classifier {request.classifier!r} behind {defense!r}, {classifier!r} is asked for: "
            "leave classifier out"
        )
    classes = saved.about["n_classes"]
    if classes != wanted.n_classes:
        raise ConfigError(f"{saved.path} tells {classes} classes apart, {dataset} has {wanted.n_classes}")
    return request


@load_model.register(FileRequest)
def _read(
    request: FileRequest,
    means: Means,
    progress: Callable[[int, int, float, float], None] | None = None,
    waiting: Callable[[str], None] | None = None,
) -> Protected:
    """Front end and classifier with their weights."""
    saved = request.saved
    protected = Protected(saved.front_end(), saved.classifier(), image_shape=saved.image_shape)
    return protected.to(torch.device(means.device))
