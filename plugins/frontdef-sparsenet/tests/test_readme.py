"""The README's snippets run as they stand, given images and labels."""

from __future__ import annotations

import pytest

from frontdef.testing import Readme

README = Readme.beside(__file__)


@pytest.fixture
def run(digits):
    return lambda word: README.run(word, images=digits.test.images[:20], labels=digits.test.labels[:20])


def test_there_are_two():
    assert len(README.snippets()) == 2


def test_torchattacks(run, digits):
    pytest.importorskip("torchattacks")
    names = run("torchattacks")
    assert 0.05 < (names["examples"] - digits.test.images[:20]).abs().max() <= 0.1 + 1e-6
    assert names["proved"].sum() > 10


def test_art(run):
    assert (run("PyTorchClassifier")["gradient"] != 0).any()
