"""The README's snippets run as they stand, given the weights, a network, images and labels."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from frontdef.models import saved
from frontdef.testing import Readme

README = Readme.beside(__file__)


@pytest.fixture
def run(trained, digits, tmp_path, monkeypatch):
    """Execute the snippet that holds a word, in a folder with the weights that the README's command writes."""
    protected = trained("latent-vae")
    config = protected.front_end.config.model_dump(mode="json")
    about = {"request": {"defense": ["latent-vae", config], "classifier": ["latent-lrl", ""]}, "in_shape": [32]}
    about |= {"image_shape": [1, 28, 28], "n_classes": 10}
    saved.save(tmp_path / "latent-vae.safetensors", protected.front_end, protected.classifier, about)
    monkeypatch.chdir(tmp_path)

    def execute(word):
        test = digits["test"].first(8)
        return README.run(word, network=nn.Linear(32, 10), images=test.images, labels=test.labels)

    return execute


def test_art(run):
    gradient = run("PyTorchClassifier")["gradient"]
    assert gradient.shape == (8, 1, 28, 28)
    assert (gradient != 0).any()


def test_torchattacks(run, trained, digits):
    pytest.importorskip("torchattacks")
    names, test = run("torchattacks"), digits["test"].first(8)
    assert 0.05 < (names["examples"] - test.images).abs().max() <= 0.1 + 1e-6
    assert torch.equal(names["protected"].predict(test.images), trained("latent-vae").predict(test.images))


def test_the_matrix_entries_are_valid():
    from frontdef.registry import get_metric

    (matrix,) = README.tables()
    for entry in matrix["metric"]:
        get_metric(entry["name"]).parameters_class()(**entry.get("parameters", {}))


def test_the_tables_name_what_there_is(defenses):
    rows = re.findall(r"^\| `([^`]+)`(?: \(default\))? \| (?:`([^`]+)` \|)?", README.text, flags=re.MULTILINE)
    fields = {name: field.default for d in defenses.values() for name, field in d.config_class().model_fields.items()}
    surrogates = {s.name for d in defenses.values() for s in d.front_end_class().surrogates} - {"true"}
    assert {name for name, _ in rows} == {*defenses, *fields, *surrogates}
    for name, default in rows:
        if name in fields and default:
            assert str(fields[name]) == default, name
