"""The README's snippets run as they stand, given the weights, a network, images and labels."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest
import torch
from torch import nn

from frontdef.models import saved

README = Path(__file__).parents[1] / "README.md"


def snippets(language):
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


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
        (code,) = [snippet for snippet in snippets("python") if word in snippet]
        (tmp_path / "snippet.py").write_text(code, encoding="utf-8")
        test = digits["test"].first(8)
        names = {"network": nn.Linear(32, 10), "images": test.images, "labels": test.labels}
        return runpy.run_path(str(tmp_path / "snippet.py"), names)

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

    (text,) = snippets("toml")
    for entry in tomllib.loads(text)["metric"]:
        get_metric(entry["name"]).parameters_class()(**entry.get("parameters", {}))


def test_the_tables_name_what_there_is(defenses):
    text = README.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)`(?: \(default\))? \| (?:`([^`]+)` \|)?", text, flags=re.MULTILINE)
    fields = {name: field.default for d in defenses.values() for name, field in d.config_class().model_fields.items()}
    surrogates = {s.name for d in defenses.values() for s in d.front_end_class().surrogates} - {"true"}
    assert {name for name, _ in rows} == {*defenses, *fields, *surrogates}
    for name, default in rows:
        if name in fields and default:
            assert str(fields[name]) == default, name
