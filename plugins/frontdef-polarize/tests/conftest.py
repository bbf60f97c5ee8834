"""Front ends to test: untrained ones with weights that are set, and one that is trained on digits."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize.config import PolarizeConfig
from frontdef_polarize.front_end import PolarizingFrontEnd
from torch import nn

from frontdef.protected import Protected
from frontdef.registry import get_dataset, get_defense
from frontdef.testing import cache, images, one_thread, own_cache  # noqa: F401
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


@pytest.fixture(scope="session")
def digits():
    """80 test digits."""
    return get_dataset("digits").load("test").take(80, 0)


@pytest.fixture(scope="session")
def trained():
    """trained("filters" | "pixels"): a linear classifier behind its front end, trained on digits once; and the log."""
    kept = {}

    def get(source):
        if source not in kept:
            defense, split = get_defense("polarize"), get_dataset("digits").load("train").take(400, 0)
            front_end = defense.build({"source": source}, image_shape=(1, 28, 28))
            prepare(front_end, split.images, seed=0)
            torch.manual_seed(0)
            classifier = nn.Sequential(nn.Flatten(), nn.Linear(784 * (25 if source == "filters" else 1), 10))
            *learning, last = defense.recipe_for({"source": source}, "digits")
            last = last.model_copy(update={"epochs": 15})
            log = fit_classifier(front_end, classifier, split, [*learning, last], seed=0)
            kept[source] = (Protected(front_end, classifier), log)
        return kept[source]

    return get
