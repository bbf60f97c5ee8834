"""The README's snippets run as they stand, given a network, images and labels; its table is the one in the code."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch
from frontdef_art.table import DEFENSES
from torch import nn

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("index", "result"), [(0, "gradient"), (1, "examples")])
def test_snippets(index, result, grey, tmp_path):
    assert len(SNIPPETS) == 2
    if "torchattacks" in SNIPPETS[index]:
        pytest.importorskip("torchattacks")
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPETS[index], encoding="utf-8")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    made = runpy.run_path(str(file), {"network": network, "images": grey[:4], "labels": torch.arange(4)})[result]
    assert made.shape == grey[:4].shape
    assert bool((torch.as_tensor(made) != (0 if result == "gradient" else grey[:4])).any())


@pytest.mark.parametrize("defense", DEFENSES, ids=lambda defense: defense.name)
def test_table(defense):
    (row,) = [line for line in README.splitlines() if line.startswith(f"| `{defense.name}` |")]
    _, _, parameters, surrogates, randomized, _ = row.split("|")
    for key, value in defense.configure({}).model_dump().items():
        assert f"`{key}` = {value}" in parameters.replace("`L-BFGS-B`", "L-BFGS-B")
    names = re.findall(r"`(\S+?)`", surrogates)
    assert names == [surrogate.name for surrogate in defense.front_end_class().surrogates]
    assert (randomized.strip() == "yes") == defense.randomized
