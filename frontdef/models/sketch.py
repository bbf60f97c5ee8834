"""What a model costs before it is trained: a model of the same shape to time, and the passes that training takes."""

from __future__ import annotations

from functools import singledispatch

import torch

from frontdef.models.cache import ModelCache
from frontdef.models.load import Means, load_model
from frontdef.models.request import ModelRequest, Request
from frontdef.protected import Protected
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.stage import Stage


@singledispatch
def sketch(request: Request, means: Means) -> Protected:
    """A model whose passes take as long; the model itself where nothing has to be trained.

    Args:
        request: Which.
        means: Where models and data come from.
    """
    return load_model(request, means)


@sketch.register(ModelRequest)
def _untrained(request: ModelRequest, means: Means) -> Protected:
    dataset, device = get_dataset(request.dataset), torch.device(means.device)
    front_end = get_defense(request.defense).build(request.config, image_shape=dataset.image_shape)
    front_end.mark_trained()
    with torch.no_grad():
        shape = tuple(front_end(torch.rand(1, *dataset.image_shape)).shape[1:])
    classifier = get_classifier(request.classifier).build(shape, dataset.n_classes)
    return Protected(front_end, classifier, image_shape=dataset.image_shape).to(device)


@singledispatch
def training_passes(request: Request, means: Means) -> int:
    """Forward and backward passes that it takes to train a model that is not there yet, in all.

    Args:
        request: Which.
        means: Where models and data come from.
    """
    return 0


@training_passes.register(ModelRequest)
def _of_recipe(request: ModelRequest, means: Means) -> int:
    if ModelCache(means.cache).has(request):
        return 0
    samples = request.train_samples or len(get_dataset(request.dataset).load("train", root=means.data).labels)
    return sum(samples * _passes_a_sample(request, stage) for stage in request.recipe)


def _passes_a_sample(request: ModelRequest, stage: Stage) -> int:
    """The outputs of a front end that stays as it is are computed once."""
    once = stage.trains == "classifier" and stage.augment == "none" and not stage.adversarial
    return 1 if once and not get_defense(request.defense).randomized else stage_passes(stage)


def stage_passes(stage: Stage) -> int:
    """Passes of a sample through front end and classifier in a stage, forward and backward.

    Args:
        stage: Of a recipe.
    """
    return stage.epochs * (1 + (stage.attack_steps * stage.attack_restarts if stage.adversarial else 0))
