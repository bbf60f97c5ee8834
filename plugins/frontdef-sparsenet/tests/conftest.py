"""A small sparse network on the digits 3 and 7, trained once, and networks with weights written by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from frontdef_sparsenet.config import SparseNetConfig
from frontdef_sparsenet.datasets import load_digits_3_7
from frontdef_sparsenet.front_end import SparseNetFrontEnd
from frontdef_sparsenet.recipes import recipe
from torch import nn

from frontdef.classifiers.dense import linear
from frontdef.protected import Protected
from frontdef.testing import cache, one_thread, own_cache  # noqa: F401
from frontdef.training import fit_classifier


def make(image_shape=(1, 28, 28), **config):
    """A front end, always with the same initial weights."""
    torch.manual_seed(0)
    return SparseNetFrontEnd(SparseNetConfig(**config), image_shape=image_shape)


@pytest.fixture(scope="session")
def build():
    return make


@pytest.fixture(scope="session")
def digits():
    return SimpleNamespace(train=load_digits_3_7("train"), test=load_digits_3_7("test"))


@pytest.fixture(scope="session")
def trained(digits):
    """The paper's network on the digits 3 and 7, a shorter training than the recipe's."""
    front_end = make(strength=0.03)
    torch.manual_seed(1)
    head = linear((10,), 2)
    stages = [stage.model_copy(update={"epochs": 12}) for stage in recipe(front_end.config, "digits-3-7")]
    fit_classifier(front_end, head, digits.train, stages, seed=0)
    return Protected(front_end, head, image_shape=(1, 28, 28))


@pytest.fixture
def by_hand():
    """by_hand(weight, head, bias=…, **config): x ↦ head · relu(weight · x + bias), on images (1,1,columns)."""

    def protect(weight, head, bias=None, **config):
        weight, head = torch.tensor(weight), torch.tensor(head)
        front_end = make((1, 1, weight.shape[1]), keep=1, **config)
        first = nn.Linear(weight.shape[1], weight.shape[0])
        last = nn.Linear(head.shape[1], head.shape[0], bias=False)
        with torch.no_grad():
            first.weight.copy_(weight)
            first.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.tensor(bias))
            last.weight.copy_(head)
        front_end.body = nn.Sequential(nn.Flatten(), first, nn.ReLU())
        front_end.mark_trained()
        return Protected(front_end, last, image_shape=(1, 1, weight.shape[1]))

    return protect
