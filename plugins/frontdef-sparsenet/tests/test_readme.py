"""The README's snippets run as they stand, given images and labels."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

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
        return runpy.run_path(str(file), {"images": digits.test.images[:20], "labels": digits.test.labels[:20]})

    return execute


def test_there_are_two(snippets):
    assert len(snippets) == 2


def test_torchattacks(run, digits):
    pytest.importorskip("torchattacks")
    names = run("torchattacks")
    assert 0.05 < (names["examples"] - digits.test.images[:20]).abs().max() <= 0.1 + 1e-6
    assert names["proved"].sum() > 10


def test_art(run):
    assert (run("PyTorchClassifier")["gradient"] != 0).any()
