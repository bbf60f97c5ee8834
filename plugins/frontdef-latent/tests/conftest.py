"""Small data and the defenses trained on it, once a session."""

from __future__ import annotations

import functools

import pytest
import torch
from frontdef_latent import frontdef_classifiers, frontdef_defenses

from frontdef import Protected
from frontdef.registry import get_dataset
from frontdef.testing import cache, images, one_thread, own_cache  # noqa: F401
from frontdef.training import fit_classifier

SHORT = {"latent-ae-projection": {"steps": 60, "lr": 0.3}, "latent-vae-projection": {"steps": 60, "lr": 0.3}}
"""Configuration of trained defenses: fewer steps, for the time."""


@pytest.fixture(scope="session")
def defenses():
    return {defense.name: defense for defense in frontdef_defenses()}


@pytest.fixture(scope="session")
def classifiers():
    return {classifier.name: classifier for classifier in frontdef_classifiers()}


@pytest.fixture(scope="session")
def build(defenses):
    """build(name, surrogate=…, image_shape=…, **config): an untrained front end, the same weights every time."""

    def make(name, surrogate=None, image_shape=(1, 4, 4), **config):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return defenses[name].build(config, image_shape=image_shape, surrogate=surrogate)

    return make


@pytest.fixture(scope="session")
def digits():
    """600 training and 60 test digits."""
    return {name: get_dataset("digits").load(name).take(n, 0) for name, n in (("train", 600), ("test", 60))}


@pytest.fixture(scope="session")
def trained(defenses, classifiers, build, digits):
    """trained(name): the defense with its classifier, by its recipe for digits in smaller batches."""

    @functools.cache
    def train(name):
        defense, config = defenses[name], SHORT.get(name, {})
        front_end = build(name, image_shape=(1, 28, 28), **config)
        classifier = classifiers[defense.classifier].build((32,), 10)
        recipe = [stage.model_copy(update={"batch_size": 32}) for stage in defense.recipe_for(config, "digits")]
        fit_classifier(front_end, classifier, digits["train"], recipe, seed=0)
        return Protected(front_end, classifier)

    return train
