"""A small model on scikit-learn's digits, trained once; every reduction starts from its weights."""

from __future__ import annotations

import copy

import pytest
import torch
from frontdef_lowrank.config import LowRankConfig
from frontdef_lowrank.front_end import LowRankFrontEnd

from frontdef import Stage
from frontdef.classifiers.dense import linear
from frontdef.protected import Protected
from frontdef.testing import cache, digits, one_thread, own_cache  # noqa: F401
from frontdef.training import fit_classifier

SHAPE = (1, 28, 28)
STAGES = (Stage(epochs=6, lr=3e-3, batch_size=64),)


def make(image_shape=SHAPE, **config):
    """A front end, always with the same initial weights."""
    torch.manual_seed(0)
    return LowRankFrontEnd(LowRankConfig(**config), image_shape=image_shape)


@pytest.fixture(scope="session")
def build():
    return make


@pytest.fixture(scope="session")
def original(digits):  # noqa: F811
    """2L with 30 hidden units and a share of 0: trained, and reduced by nothing."""
    front_end = make(width=30, share=0)
    torch.manual_seed(1)
    head = linear((30,), 10)
    fit_classifier(front_end, head, digits.train, STAGES, seed=0)
    return Protected(front_end, head, image_shape=SHAPE)


@pytest.fixture(scope="session")
def reduced(original):
    """reduced(**config): the same weights after another `finish`."""

    def finish(**config):
        front_end = make(width=30, **config)
        front_end.load_state_dict(original.front_end.state_dict())
        head = copy.deepcopy(original.classifier)
        front_end.finish(head)
        return Protected(front_end, head, image_shape=SHAPE)

    return finish
