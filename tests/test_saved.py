"""Trained defenses as files: written by `frontdef train`, read by `frontdef.load` and `frontdef.protect`."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from art.estimators.classification import PyTorchClassifier
from click.testing import CliRunner
from torch import nn

import frontdef
from frontdef import weights
from frontdef.cli import main
from frontdef.errors import ConfigError, StoreError
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.models.load import Means, load_model


@pytest.fixture(scope="module")
def file(tmp_path_factory, cache):
    path = tmp_path_factory.mktemp("saved") / "wavelet.safetensors"
    command = ["train", "wavelet", "keep=0.2", "--classifier", "fc2", "--train-samples", "100", "--out", str(path)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "epoch 1/" in result.output
    assert str(path) in result.output
    return path


def test_the_file_gives_the_model_that_train_gives(file):
    trained = frontdef.train("wavelet", classifier="fc2", train_samples=100, keep=0.2)
    read = frontdef.protect(None, "wavelet", weights=file)
    x = torch.rand(5, 1, 28, 28)
    assert torch.equal(trained(x), read(x))
    assert read.image_shape == (1, 28, 28)


def test_in_an_art_pipeline(file):
    network = frontdef.protect(None, "wavelet", weights=file).classifier
    pipeline = PyTorchClassifier(
        network,
        nn.CrossEntropyLoss(),
        (1, 28, 28),
        10,
        clip_values=(0, 1),
        preprocessing_defences=[frontdef.load("wavelet", weights=file)],
        device_type="cpu",
    )
    x = torch.rand(5, 1, 28, 28)
    expected = frontdef.protect(None, "wavelet", weights=file)(x).numpy()
    np.testing.assert_allclose(pipeline.predict(x.numpy()), expected, atol=1e-5)


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("name", "values", "message"),
        [
            ("none", {}, "holds the defense 'wavelet', not 'none'"),
            ("wavelet", {"keep": 0.3}, "trained with keep = 0.2, keep = 0.3 is asked for: leave it out, or train anew"),
            ("wavelet", {"image_shape": (3, 32, 32)}, r"trained on images \(1, 28, 28\)"),
            ("wavelet", {"kep": 0.3}, "did you mean 'keep'"),
        ],
    )
    def test_another_defense_configuration_or_image(self, file, name, values, message):
        with pytest.raises(ConfigError, match=message):
            frontdef.load(name, weights=file, **values)
        with pytest.raises(ConfigError, match=message):
            frontdef.protect(None, name, weights=file, **values)

    def test_damage(self, file, tmp_path):
        path = tmp_path / "copy.safetensors"
        shutil.copy(file, path)
        with pytest.raises(StoreError, match="sidecar"):
            frontdef.load("wavelet", weights=path)
        tensors, about = weights.load(file)
        path.with_suffix(".json").write_text(json.dumps({**about, "in_shape": [1, 14, 14]}))
        with pytest.raises(StoreError, match="one was changed"):
            frontdef.load("wavelet", weights=path)
        weights.save(tensors, path, {})
        with pytest.raises(StoreError, match=r"no trained defense: its sidecar lacks .*frontdef train"):
            frontdef.load("wavelet", weights=path)
        about = {name: value for name, value in about.items() if name != "sha256"}
        weights.save(tensors, path, {**about, "in_shape": [1, 14, 14]})
        with pytest.raises(StoreError, match="does not fit what is installed"):
            frontdef.protect(None, "wavelet", weights=path)

    def test_neither_classifier_nor_weights(self):
        with pytest.raises(ConfigError, match="nothing to protect"):
            frontdef.protect(None, "wavelet")

    def test_a_file_of_another_kind(self, cache):
        result = CliRunner().invoke(main, ["train", "none", "--out", "model.pt"])
        assert result.exit_code == 2
        assert "ends in .safetensors" in result.output


ROW = """
samples = 5
classifiers = [{classifiers}]
libraries = ["native"]
[[defense]]
name = "{name}"
weights = "{weights}"
{more}
[[attack]]
family = "fgsm"
eps = [0.1]
"""


def plan(weights, more="", name="wavelet", classifiers='"small-cnn", "linear"', datasets=()):
    text = ROW.format(weights=weights, more=more, name=name, classifiers=classifiers)
    return make_plan(parse_matrix("".join(datasets) + text))


class TestAsARowOfAMatrix:
    def test_it_is_the_model_of_the_file_and_stands_once(self, file):
        jobs = [job for job in plan(file).jobs if job.table.name == "records"]
        assert len(jobs) == 1, "the file brings its classifier, so the second table has no row of it"
        (request,) = jobs[0].models
        x = torch.rand(3, 1, 28, 28)
        assert torch.equal(load_model(request, Means())(x), frontdef.protect(None, "wavelet", weights=file)(x))
        said = jobs[0].describe()
        assert (said["training"], said["network"]) == ("as it is", "fc2")

    def test_its_place_and_its_name_decide_nothing(self, file, tmp_path):
        for suffix in (".safetensors", ".json"):
            shutil.copy(file.with_suffix(suffix), tmp_path / f"renamed{suffix}")
        moved = f'base = "{tmp_path}"\n'
        there, here = plan("renamed.safetensors", datasets=[moved]), plan(file)
        assert [job.key for job in there.jobs] == [job.key for job in here.jobs]

    def test_other_weights_are_another_model(self, file, tmp_path):
        tensors, about = weights.load(file)
        about = {name: value for name, value in about.items() if name != "sha256"}
        weights.save({name: value * 2 for name, value in tensors.items()}, tmp_path / "other.safetensors", about)
        keys = [{job.key for job in plan(path).jobs} for path in (file, tmp_path / "other.safetensors")]
        assert not keys[0] & keys[1]

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"more": "recipe = [{ epochs = 1 }]"}, "give one of the two"),
            ({"more": "config = { keep = 0.3 }"}, "trained with keep = 0.2"),
            ({"more": 'classifier = "linear"'}, "has the classifier 'fc2' behind 'wavelet', 'linear' is asked for"),
            ({"name": "none"}, "holds the defense 'wavelet', not 'none'"),
            ({"datasets": ['datasets = ["cifar10"]\n']}, r"trained on images \(1, 28, 28\)"),
        ],
    )
    def test_what_does_not_fit_is_refused_before_anything_runs(self, file, values, message):
        with pytest.raises(ConfigError, match=message):
            plan(file, **values)

    def test_a_missing_file_is_named(self):
        with pytest.raises(StoreError, match=r"nowhere\.safetensors"):
            plan("nowhere.safetensors")
