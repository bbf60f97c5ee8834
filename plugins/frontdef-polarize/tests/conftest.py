"""Front ends to test: untrained ones with weights that are set, and one that is trained on digits."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize.config import PolarizeConfig
from frontdef_polarize.front_end import PolarizingFrontEnd

from frontdef.protected import Protected
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.training import fit_classifier, prepare


def built(weights=None, surrogate=None, image_shape=(1, 28, 28), **config):
    """A front end; ``weights`` (K,C,h,w) replace the filters, and count as trained."""
    if weights is not None:
        weights = torch.as_tensor(weights, dtype=torch.float32)
        config = {"filters": weights.shape[0], "size": weights.shape[-1], "padding": 0, **config}
    front_end = PolarizingFrontEnd(PolarizeConfig(**config), image_shape=image_shape, surrogate=surrogate)
    if weights is not None:
        front_end.filters.data = weights
        front_end.mark_trained()
    return front_end.requires_grad_(False)


@pytest.fixture(scope="session")
def make():
    """make(weights=…, surrogate=…, image_shape=…, **config): a front end."""
    return built


@pytest.fixture
def images():
    """images(N,C,H,W): uniform in [0,1], the same for the same shape."""

    def draw(*shape):
        return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))

    return draw


@pytest.fixture(scope="session")
def digits():
    """128 test digits."""
    return get_dataset("digits").load("test").take(128, 0)


@pytest.fixture(scope="session")
def trained():
    """trained("filters" | "pixels"): behind its front end a classifier, by the recipe for digits; each trained once."""
    kept = {}

    def get(source):
        if source not in kept:
            defense, split = get_defense("polarize"), get_dataset("digits").load("train").take(600, 0)
            front_end = defense.build({"source": source}, image_shape=(1, 28, 28))
            prepare(front_end, split.images, seed=0)
            with torch.no_grad():
                shape = tuple(front_end(split.images[:1]).shape[1:])
            classifier = get_classifier("polarize-cnn").build(shape, 10, seed=0)
            stages = defense.recipe_for({"source": source}, "digits")
            log = fit_classifier(front_end, classifier, split, stages, seed=0)
            kept[source] = (Protected(front_end, classifier), log)
        return kept[source]

    return get
