"""The README's snippets run as they stand, and its tables say what the code says."""

from __future__ import annotations

import re

import numpy as np
import pytest
from frontdef_advtrain.config import AdvTrainConfig
from frontdef_advtrain.recipes import SETTINGS

from frontdef.matrix.entries import DefenseEntry
from frontdef.testing import Readme

README = Readme.beside(__file__)


@pytest.fixture
def readme_names(digits, new_network):
    names = {"images": digits.test.images[:4], "labels": digits.test.labels[:4], "network": new_network()}
    return {**names, "split": digits.train.first(200)}


@pytest.mark.slow
def test_the_program(readme_names, digits):
    names = README.run("frontdef.train(", **readme_names)
    moved = np.abs(names["examples"] - digits.test.images[:4].numpy()).max()
    assert 0.05 < moved <= 0.1 + 1e-6


def test_the_stages(readme_names):
    assert len(README.run("fit_classifier", **readme_names)["log"].losses) == 1


def test_the_matrix():
    (matrix,) = README.tables()
    (row,) = matrix["defense"]
    entry = DefenseEntry.model_validate(row)
    assert AdvTrainConfig.model_validate(entry.config).method == "trades"


def test_the_tables():
    assert README.rows() == list(AdvTrainConfig.model_fields)
    assert set(SETTINGS) <= set(re.findall(r"^\| ([\w-]+) \|", README.text, flags=re.MULTILINE))
