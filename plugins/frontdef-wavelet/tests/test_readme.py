"""The README's snippets run as they stand, given a network, images and labels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef.testing import Readme

README = Readme.beside(__file__)


@pytest.fixture
def run(images):
    def execute(word):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        return README.run(word, network=network, images=images(4, 1, 28, 28), labels=torch.arange(4))

    return execute


def test_there_are_two():
    assert len(README.snippets()) == 2


def test_art(run):
    assert (run("PyTorchClassifier")["gradient"] != 0).any()


def test_torchattacks(run, images):
    pytest.importorskip("torchattacks")
    names = run("torchattacks")
    moved = (names["examples"] - images(4, 1, 28, 28)).abs()
    assert 0.1 < moved.max() <= 0.25 + 1e-6
    assert str(names["protected"].front_end.surrogate) == "adjoint"
