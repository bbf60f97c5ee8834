"""The README's snippets run as they stand, given a network, images and labels; its table is the one in the code."""

from __future__ import annotations

import re

import pytest
import torch
from frontdef_art.table import DEFENSES
from torch import nn

from frontdef.testing import Readme

README = Readme.beside(__file__)


@pytest.mark.parametrize(("word", "result"), [("PyTorchClassifier", "gradient"), ("torchattacks", "examples")])
def test_snippets(word, result, gray):
    assert len(README.snippets()) == 2
    if word == "torchattacks":
        pytest.importorskip("torchattacks")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    made = README.run(word, network=network, images=gray[:4], labels=torch.arange(4))[result]
    assert made.shape == gray[:4].shape
    assert bool((torch.as_tensor(made) != (0 if result == "gradient" else gray[:4])).any())


@pytest.mark.parametrize("defense", DEFENSES, ids=lambda defense: defense.name)
def test_table(defense):
    (row,) = [line for line in README.text.splitlines() if line.startswith(f"| `{defense.name}` |")]
    _, _, parameters, surrogates, randomized, _ = row.split("|")
    for key, value in defense.configure({}).model_dump().items():
        assert f"`{key}` = {value}" in parameters.replace("`L-BFGS-B`", "L-BFGS-B")
    names = re.findall(r"`(\S+?)`", surrogates)
    assert names == [surrogate.name for surrogate in defense.front_end_class().surrogates]
    assert (randomized.strip() == "yes") == defense.randomized
