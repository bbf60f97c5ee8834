"""The README's snippets run as they stand, and its tables say what the code says."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import numpy as np
import pytest
from frontdef_advtrain.config import AdvTrainConfig
from frontdef_advtrain.recipes import SETTINGS

from frontdef.matrix.entries import DefenseEntry

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def run(digits, new_network, tmp_path, monkeypatch):
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path / "cache"))

    def execute(word):
        found = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
        (code,) = [snippet for snippet in found if word in snippet]
        file = tmp_path / "snippet.py"
        file.write_text(code, encoding="utf-8")
        names = {"images": digits.test.images[:4], "labels": digits.test.labels[:4], "network": new_network()}
        return runpy.run_path(str(file), {**names, "split": digits.train.first(200)})

    return execute


@pytest.mark.slow
def test_the_program(run, digits):
    names = run("frontdef.train(")
    moved = np.abs(names["examples"] - digits.test.images[:4].numpy()).max()
    assert 0.05 < moved <= 0.1 + 1e-6


def test_the_stages(run):
    assert len(run("fit_classifier")["log"].losses) == 1


def test_the_matrix():
    (code,) = re.findall(r"^```toml\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    (row,) = tomllib.loads(code)["defense"]
    entry = DefenseEntry.model_validate(row)
    assert AdvTrainConfig.model_validate(entry.config).method == "trades"


def test_the_tables():
    keys = re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)
    assert keys == list(AdvTrainConfig.model_fields)
    assert set(SETTINGS) <= set(re.findall(r"^\| ([\w-]+) \|", README, flags=re.MULTILINE))
