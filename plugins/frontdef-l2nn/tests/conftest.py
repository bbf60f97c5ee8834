"""The reference: operators as dense matrices, found by brute force, and one small network trained once."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from frontdef_l2nn.certificate import prove
from frontdef_l2nn.config import L2NNConfig
from frontdef_l2nn.front_end import L2NN

from frontdef import Protected
from frontdef.classifiers.network import seeded
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.testing import cache, one_thread, own_cache  # noqa: F401
from frontdef.training import fit_classifier

SMALL = {"widths": (3, 6), "hidden": 24}


def jacobian(module, shape):
    """The matrix of what a float64 copy of a module does to inputs of a shape, at zero: one column an input value."""
    module = module.double()
    n = math.prod(shape)
    zero = module(torch.zeros(1, *shape, dtype=torch.float64))
    columns = module(torch.eye(n, dtype=torch.float64).view(n, *shape)) - zero
    return columns.flatten(1).T.detach().numpy()


def norm(matrix):
    return np.linalg.norm(matrix, 2)


@pytest.fixture(scope="session")
def reference():
    return SimpleNamespace(jacobian=jacobian, norm=norm)


def train(config, *, head="l2nn-head", seed=0):
    """A small network on 800 digits, by the plugin's own recipe."""
    defense, data = get_defense("l2nn"), get_dataset("digits")
    with seeded(seed):
        front_end = defense.build(config, image_shape=(1, 28, 28))
    classifier = get_classifier(head).build((2 * config["hidden"],), 10, seed=seed)
    stages = defense.recipe_for(config, "digits")
    fit_classifier(front_end, classifier, data.load("train").take(800, 0), stages, seed=seed)
    return Protected(front_end, classifier, image_shape=(1, 28, 28))


@pytest.fixture(scope="session")
def trained():
    """The trained network, its proof, and 100 test digits with their logits."""
    return _with_digits(train(SMALL))


@pytest.fixture(scope="session")
def divided():
    """Likewise, with every weight divided by its proved bound, the head's too."""
    return _with_digits(train({**SMALL, "constraint": "divide"}, head="l2nn-head-divided"))


def _with_digits(protected):
    test = get_dataset("digits").load("test").take(100, 0)
    return SimpleNamespace(
        protected=protected,
        proof=prove(protected),
        x=test.images,
        y=test.labels,
        logits=protected.predict(test.images),
    )


@pytest.fixture(scope="session")
def make():
    """make(image_shape=…, **config): an untrained front end in eval mode."""

    def build(image_shape=(1, 28, 28), **config):
        with seeded(0):
            return L2NN(L2NNConfig(**{**SMALL, **config}), image_shape=image_shape).eval()

    return build


@pytest.fixture
def images():
    """images(N,C,H,W): uniform in [0,1], the same for the same shape."""

    def draw(*shape, dtype=torch.float32):
        return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)

    return draw
