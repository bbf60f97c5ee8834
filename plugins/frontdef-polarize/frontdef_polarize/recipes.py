"""The paper's stages: spread the activations, polarize them, then let the classifier get used to the quantizer."""

from __future__ import annotations

from typing import Any

from frontdef import Stage
from frontdef_polarize.config import PolarizeConfig

EPOCHS = 20
"""Passes over the training images in each stage (section 4.1)."""

ALONE = {"loss": "none", "trains": "front-end", "lr": 0.05}
"""On digits the filters learn from the bumps alone, which takes seconds: 1,437 images are too few for Adam at 1e-3."""


def recipe(config: PolarizeConfig, dataset: str) -> tuple[Stage, ...]:
    """Stages of section 3.1, for one data set.

    Args:
        config: Says how many, and how long they are.
        dataset: Id of the data set.

    Returns:
        One stage for each of `PolarizeConfig.learning_stages`, and one that trains the classifier behind the quantizer;
        that one alone where nothing is learned before it. A dead zone has no bumps: filters and classifier are
        trained jointly, through its surrogate.
    """
    small = dataset == "digits"
    epochs = config.epochs or (5 if small else EPOCHS)
    if config.activation == "dead-zone" and config.source == "filters":
        return (Stage(name="joint", epochs=epochs),)
    as_coded = config.schedule == "code"
    learning: dict[str, Any] = {"epochs": epochs, "mode": "unquantized", "penalty_start": 0.0}
    if as_coded:
        learning["penalty_weight"] = 1 - 1 / epochs
    if small:
        learning |= ALONE
    adapting: dict[str, Any] = {"epochs": epochs, "trains": "classifier"}
    if as_coded and epochs > 1:
        adapting |= {"schedule": "steps", "milestones": (11 * epochs // 20 or 1,)}
    filters = tuple(Stage(name=name, penalty=name, **learning) for name in config.learning_stages)
    return (*(filters if config.source == "filters" else ()), Stage(name="adapt", **adapting))
