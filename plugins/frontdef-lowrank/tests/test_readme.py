"""The README's snippets run as they stand, given a network, images and labels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef.testing import Readme

README = Readme.beside(__file__)


@pytest.fixture
def run(digits):
    def execute(word):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, 40), nn.ReLU(), nn.Linear(40, 10))
        return README.run(word, network=network, images=digits.test.images[:4], labels=digits.test.labels[:4])

    return execute


def test_there_are_two():
    assert len(README.snippets()) == 2


def test_art(run, digits):
    names = run("PyTorchClassifier")
    moved = abs(names["examples"] - digits.test.images[:4].numpy()).max()
    assert 0.05 < moved <= 0.1 + 1e-6
    assert not torch.equal(names["reduced"][1].weight, names["network"][1].weight)


def test_torchattacks(run, digits):
    pytest.importorskip("torchattacks")
    names = run("torchattacks")
    assert 0.05 < (names["examples"] - digits.test.images[:4]).abs().max() <= 0.1 + 1e-6
    assert names["protected"].front_end.config.network == "lrl"
