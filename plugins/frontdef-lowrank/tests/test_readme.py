"""The README's snippets run as they stand, given a network, images and labels."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def snippets():
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(snippets, digits, tmp_path):
    def execute(word):
        (code,) = [snippet for snippet in snippets if word in snippet]
        file = tmp_path / "snippet.py"
        file.write_text(code, encoding="utf-8")
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, 40), nn.ReLU(), nn.Linear(40, 10))
        names = {"network": network, "images": digits.test.images[:4], "labels": digits.test.labels[:4]}
        return runpy.run_path(str(file), names)

    return execute


def test_there_are_two(snippets):
    assert len(snippets) == 2


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
