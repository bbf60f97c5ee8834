"""A small network on scikit-learn's digits, trained once by each method."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from frontdef_advtrain.config import AdvTrainConfig
from frontdef_advtrain.recipes import recipe
from torch import nn

from frontdef import Stage
from frontdef.attacks.native.pgd import pgd
from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.testing import cache, one_thread, own_cache  # noqa: F401
from frontdef.threat import ThreatModel
from frontdef.training import fit_classifier

SHAPE = (1, 28, 28)
CLEAN = (Stage(epochs=6, lr=2e-3, final_lr=2e-5, batch_size=32),)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


@pytest.fixture(scope="session")
def new_network():
    """A function that makes the network, always with the same weights."""
    return network


@pytest.fixture(scope="session")
def digits():
    return SimpleNamespace(
        train=get_dataset("digits").load("train"), test=get_dataset("digits").load("test").take(300, 0)
    )


@pytest.fixture(scope="session")
def trained(digits):
    """``trained(stages, front_end)``: the network behind a front end."""

    def train(stages, front_end=None):
        front_end, classifier = front_end or Identity(Config()), network()
        fit_classifier(front_end, classifier, digits.train, stages, seed=0)
        return Protected(front_end, classifier, image_shape=SHAPE)

    return train


@pytest.fixture(scope="session")
def models(trained):
    """Method → trained model; ``none`` is trained on clean images."""
    methods = {method: recipe(AdvTrainConfig(method=method), "digits") for method in ("pgd", "fast", "trades")}
    return {name: trained(stages) for name, stages in {"none": CLEAN, **methods}.items()}


@pytest.fixture(scope="session")
def robust(digits):
    """``robust(model)``: accuracy on clean images and under 20 steps of PGD at ε = 0.1."""

    def measure(model):
        x, y = digits.test.images, digits.test.labels
        attacked = pgd(model, x, y, threat=ThreatModel("linf", 0.1), steps=20, step_size=0.02)
        return tuple(float((model.predict(images).argmax(1) == y).double().mean()) for images in (x, attacked))

    return measure
