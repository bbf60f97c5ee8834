"""Training a defense by name, for use outside a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from frontdef.models.cache import ModelCache, TrainedModel
from frontdef.models.recipes import recipe_of
from frontdef.models.request import ModelRequest
from frontdef.protected import Protected
from frontdef.registry import get_dataset, get_defense
from frontdef.stage import Stage
from frontdef.training import ProgressCallback

CLASSIFIER = "small-cnn"
"""What stands behind a defense that has no classifier of its own, where none is named."""


def train(
    name: str,
    *,
    dataset: str = "digits",
    classifier: str | None = None,
    recipe: Sequence[Stage] | None = None,
    train_samples: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    data: str | Path | None = None,
    cache: str | Path | None = None,
    progress: ProgressCallback | None = None,
    **config: Any,
) -> Protected:
    """Train a defense and the classifier behind it, or read them where they were trained already.

    The models of a matrix and these are the same, by content. A training that was killed goes on from its last
    checkpoint.

    Args:
        name: The defense's id.
        dataset: Id of the data set.
        classifier: Id of the classifier; None takes the defense's own, or ``small-cnn``.
        recipe: Training stages; None takes the defense's own, or the classifier's.
        train_samples: Training images; None takes all.
        seed: Decides the samples, the initial weights and the training.
        device: Where to train.
        data: Folder of the data sets; None takes ``FRONTDEF_DATA``.
        cache: Folder of trained models; None takes ``FRONTDEF_CACHE`` or the user's cache folder.
        progress: Called after each epoch.
        config: The defense's configuration.

    Returns:
        The trained model; its ``front_end`` and ``classifier`` are modules of their own.

    Raises:
        UnknownNameError: A defense, data set or classifier that does not exist; the nearest name is given.
        ConfigError: Invalid configuration, or a training that diverged.
        DataError: The data set is missing or damaged.
        StoreError: The cache can't be written.
    """
    request = make_request(name, dataset, classifier, recipe, train_samples, seed, config)
    model = trained(request, device=device, data=data, cache=cache, progress=progress)
    return Protected(model.front_end, model.classifier, image_shape=get_dataset(dataset).image_shape).to(device)


def make_request(
    name: str,
    dataset: str,
    classifier: str | None,
    recipe: Sequence[Stage] | None,
    train_samples: int | None,
    seed: int,
    config: dict[str, Any],
) -> ModelRequest:
    """What `train` is asked for, with every default filled in; the arguments are those of `train`."""
    defense = get_defense(name)
    full = defense.configure(config).model_dump(mode="json")
    behind = classifier or defense.classifier or CLASSIFIER
    stages = tuple(recipe) if recipe else recipe_of(defense, full, dataset, behind)
    return ModelRequest(dataset, behind, name, full, stages, train_samples, seed)


def trained(
    request: ModelRequest,
    *,
    device: torch.device | str,
    data: str | Path | None,
    cache: str | Path | None,
    progress: ProgressCallback | None = None,
    download: bool = False,
) -> TrainedModel:
    """The model of a request from the cache, trained if need be; the arguments are those of `train`."""
    models = ModelCache(None if cache is None else Path(cache))
    root = None if data is None else Path(data)
    return models.get_or_train(request, device=device, data_root=root, download=download, progress=progress)
