"""Front ends small enough to be worked out by hand, and two networks trained once on a few digits."""

from __future__ import annotations

import pytest
import torch
from frontdef_hah.config import HahConfig
from frontdef_hah.front_end import HahFrontEnd
from frontdef_hah.networks import hah_tail

from frontdef import Protected
from frontdef.datasets import Split
from frontdef.registry import get_dataset
from frontdef.testing import cache, images, one_thread, own_cache  # noqa: F401


@pytest.fixture(scope="session")
def make():
    """make(image_shape=…, surrogate=…, seed=…, **config): a front end."""

    def build(image_shape=(1, 12, 12), surrogate=None, seed=0, **config):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return HahFrontEnd(HahConfig(**config), image_shape=image_shape, surrogate=surrogate)

    return build


@pytest.fixture(scope="session")
def digits():
    split = get_dataset("digits").load("train").take(640, 0)
    return Split(torch.nn.functional.avg_pool2d(split.images[:, :, 2:26, 2:26], 2), split.labels, split.ids)


@pytest.fixture(scope="session")
def trained(make, digits):
    """trained(**config): front end, classifier, protected; 12x12 digits, some seconds, once for each configuration."""
    from frontdef_hah.recipes import recipe

    from frontdef.training import fit_classifier, prepare

    models = {}

    def train(**config):
        key = repr(sorted(config.items()))
        if key not in models:
            front_end = make(**config)
            prepare(front_end, digits.images, seed=0)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                classifier = hah_tail((64, 6, 6), 10)
            fit_classifier(front_end, classifier, digits, recipe(front_end.config, "digits"), seed=0)
            models[key] = Protected(front_end, classifier, image_shape=(1, 12, 12))
        return models[key]

    return train
