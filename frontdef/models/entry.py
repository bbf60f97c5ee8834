"""How matrices and studies name a model that is trained here: a defense, a classifier behind it, and a recipe."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from frontdef.config import Config, field
from frontdef.models.recipes import recipe_of
from frontdef.models.request import ModelRequest
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.stage import Stage

Label = Annotated[str, StringConstraints(strip_whitespace=True)]
"""Spaces around a name can't be seen in a table, so they tell no two rows apart."""


class ModelEntry(Config):
    """A trained model: a defense with its configuration, and what stands behind it."""

    name: str = field(description="id of the defense; 'none' for an undefended classifier")
    config: dict[str, Any] = field(default_factory=dict, description="its configuration")
    surrogate: str | None = field(
        None, description="surrogate gradient that the attacks use; the defense's default if absent"
    )
    classifier: str = field("", description="classifier behind it; the defense's own if absent, or else the file's")
    recipe: tuple[Stage, ...] = field(
        (), description="training stages; the defense's own if absent, or else the file's"
    )
    label: Label = field("", description="name in tables; made from name, classifier and configuration if absent")

    @property
    def title(self) -> str:
        """The name in tables."""
        values = {"classifier": self.classifier} if self.classifier else {}
        return self.label or " ".join([self.name, *(f"{key}={value}" for key, value in (values | self.config).items())])

    @property
    def own_classifier(self) -> str:
        """The classifier that the entry or its defense names; empty where the file's stands behind it."""
        return self.classifier or get_defense(self.name).classifier


def request_of(
    entry: ModelEntry,
    *,
    dataset: str,
    classifier: str,
    recipe: tuple[Stage, ...] = (),
    train_samples: int | None = None,
    seed: int = 0,
) -> ModelRequest:
    """The model that an entry asks for.

    Args:
        entry: What is said of it.
        dataset: Id of the data set.
        classifier: Id of the classifier for entries and defenses that name none.
        recipe: Training stages for entries and defenses that have none.
        train_samples: Training images; None takes all.
        seed: Of samples, initial weights and training.

    Raises:
        UnknownNameError: A defense, data set or classifier that does not exist.
        ConfigError: A configuration that is not allowed.
    """
    defense, behind = get_defense(entry.name), entry.own_classifier or classifier
    get_dataset(dataset)
    get_classifier(behind)
    config = defense.configure(entry.config).model_dump(mode="json")
    stages = entry.recipe or recipe_of(defense, config, dataset, behind, recipe)
    return ModelRequest(dataset, behind, entry.name, config, stages, train_samples, seed)
