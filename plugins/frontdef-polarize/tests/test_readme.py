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
def run(snippets, images, tmp_path):
    def execute(word):
        (code,) = [snippet for snippet in snippets if word in snippet]
        file = tmp_path / "snippet.py"
        file.write_text(code, encoding="utf-8")
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        names = {"network": network, "images": images(4, 1, 28, 28), "labels": torch.arange(4)}
        return runpy.run_path(str(file), names)

    return execute


def test_there_are_two(snippets):
    assert len(snippets) == 2


def test_art(run):
    assert (run("PyTorchClassifier")["gradient"] != 0).any()


@pytest.mark.slow
def test_torchattacks(run, images, tmp_path, monkeypatch):
    pytest.importorskip("torchattacks")
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path))
    names = run("torchattacks")
    moved = (names["examples"] - images(4, 1, 28, 28)).abs()
    assert 0.05 < moved.max() <= 0.1 + 1e-6
