"""How long to train what, where neither the matrix nor the defense says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontdef.defense import Defense
from frontdef.stage import Stage


def _cosine(epochs: int, lr: float = 1e-3, batch_size: int = 64, weight_decay: float = 0.0) -> tuple[Stage, ...]:
    return (Stage(epochs=epochs, lr=lr, final_lr=lr / 100, batch_size=batch_size, weight_decay=weight_decay),)


RECIPES: dict[tuple[str, str], tuple[Stage, ...]] = {
    ("digits", "small-cnn"): _cosine(6),
    ("digits", "cnn4"): _cosine(6, lr=2e-3),
    ("digits", "fc2"): _cosine(40, lr=3e-3, batch_size=32),
    ("digits", "resnet32"): _cosine(10, lr=2e-3),
    ("mnist", "small-cnn"): _cosine(4, batch_size=128),
    ("mnist", "cnn4"): _cosine(6, batch_size=128),
    ("mnist", "fc2"): _cosine(10, lr=5e-3, batch_size=128),
    ("fashion-mnist", "small-cnn"): _cosine(6, batch_size=128),
    ("fashion-mnist", "cnn4"): _cosine(12, batch_size=128),
    ("fashion-mnist", "fc2"): _cosine(10, lr=5e-3, batch_size=128),
}
"""(data set, classifier) → stages."""

FALLBACK = _cosine(20, batch_size=128, weight_decay=5e-4)
"""For every other pair; a start, not a tuned recipe: give the matrix its own."""


def default_recipe(dataset: str, classifier: str = "small-cnn") -> tuple[Stage, ...]:
    """Stages for a classifier on a data set.

    Args:
        dataset: Id of the data set.
        classifier: Id of the classifier.
    """
    return RECIPES.get((dataset, classifier), FALLBACK)


def recipe_of(
    defense: Defense, config: Mapping[str, Any], dataset: str, classifier: str, common: tuple[Stage, ...] = ()
) -> tuple[Stage, ...]:
    """Stages that train a defense and the classifier behind it: its own, or else common ones, or the classifier's.

    Args:
        defense: The defense.
        config: Its configuration values.
        dataset: Id of the data set.
        classifier: Id of the classifier.
        common: Stages for every defense that has none of its own.
    """
    return defense.recipe_for(config, dataset) or common or default_recipe(dataset, classifier)
