"""The README's snippets run as they stand, given weights, images and labels."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch

from frontdef.models import saved

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def snippets():
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(snippets, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    protected = trained.protected
    request = {"defense": ["l2nn", protected.front_end.config.model_dump(mode="json")], "classifier": ["l2nn-head"]}
    about = {"request": request, "in_shape": [48], "image_shape": [1, 28, 28], "n_classes": 10}
    saved.save(tmp_path / "l2nn.safetensors", protected.front_end, protected.classifier, about)

    def execute(word):
        (code,) = [snippet for snippet in snippets if word in snippet]
        file = tmp_path / "snippet.py"
        file.write_text(code, encoding="utf-8")
        return runpy.run_path(str(file), {"images": trained.x[:4], "labels": trained.y[:4]})

    return execute


def test_there_are_two(snippets):
    assert len(snippets) == 2


def test_art(run):
    assert (run("PyTorchClassifier")["gradient"] != 0).any()


def test_torchattacks_and_the_proof(run, trained, capsys):
    pytest.importorskip("torchattacks")
    names = run("torchattacks")
    assert 0.1 < (names["examples"] - trained.x[:4]).flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
    radii = trained.proof.radii(trained.x, trained.y)[:4]
    torch.testing.assert_close(names["radii"], radii, rtol=1e-5, atol=1e-6)
    assert "convolution 5x5" in capsys.readouterr().out


def test_every_configuration_value_is_listed(trained):
    text = README.read_text(encoding="utf-8")
    assert all(f"`{key}`" in text for key in type(trained.protected.front_end.config).model_fields)
