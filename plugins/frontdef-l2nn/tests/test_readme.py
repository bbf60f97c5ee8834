"""The README's snippets run as they stand, given weights, images and labels."""

from __future__ import annotations

import pytest
import torch

from frontdef.models import saved
from frontdef.testing import Readme

README = Readme.beside(__file__)


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    protected = trained.protected
    request = {"defense": ["l2nn", protected.front_end.config.model_dump(mode="json")], "classifier": ["l2nn-head"]}
    about = {"request": request, "in_shape": [48], "image_shape": [1, 28, 28], "n_classes": 10}
    saved.save(tmp_path / "l2nn.safetensors", protected.front_end, protected.classifier, about)

    return lambda word: README.run(word, images=trained.x[:4], labels=trained.y[:4])


def test_there_are_two():
    assert len(README.snippets()) == 2


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
    assert all(f"`{key}`" in README.text for key in type(trained.protected.front_end.config).model_fields)
