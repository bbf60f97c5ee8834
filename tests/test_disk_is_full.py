"""Where the disk is full: what is asked for is what is needed, and a training does not end for a checkpoint."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from frontdef.errors import StoreError, UnwritableError
from frontdef.models.cache import ModelCache
from frontdef.models.request import ModelRequest
from frontdef.runs.store import Store
from frontdef.stage import Stage
from frontdef.training import Checkpoint
from tests.quiet import run_matrix

MATRIX = """
name = "small"
samples = {samples}
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{{ epochs = 1, lr = 0.01 }}]
train_samples = 100
[[defense]]
name = "none"
[[defense]]
name = "wavelet"
[[metric]]
name = "gaussian-noise"
[[attack]]
family = "fgsm"
eps = [0.1, 0.2]
"""
REQUEST = ModelRequest("digits", "fc2", "none", {}, (Stage(epochs=3, lr=1e-2),), 100, 0)


def go(out, samples=24, **settings):
    return run_matrix(MATRIX.format(samples=samples), out, **settings)[1]


@pytest.fixture
def asked(monkeypatch):
    """What a run asks the disk for, each time."""
    wanted = []
    monkeypatch.setattr(Store, "require_space", lambda self, *needed: wanted.append(needed))
    return wanted


@pytest.mark.parametrize("samples", [4, 40])
def test_what_is_asked_for_is_what_is_written(tmp_path, asked, samples):
    go(tmp_path / "run", samples)
    ((n_bytes, n_files),) = asked
    written = [path for path in (tmp_path / "run").glob("*/*") if path.is_file()]
    taken = sum(-(-path.stat().st_size // 4096) * 4096 for path in written)
    assert taken <= n_bytes <= 1.5 * taken
    assert len(written) <= n_files <= 1.5 * len(written)


def test_what_is_there_is_not_asked_for_again(tmp_path, asked):
    go(tmp_path / "run")
    go(tmp_path / "run")
    go(tmp_path / "run", overwrite=True)
    once, again, overwritten = asked
    assert again == (0, 0)
    assert 0 < overwritten[0] < once[0], "the images stay"


def test_a_disk_without_inodes_is_refused_before_anything_is_run(tmp_path, monkeypatch):
    room = {"f_blocks": 10**9, "f_bfree": 10**9, "f_bavail": 10**9, "f_frsize": 4096}
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_files=100, f_favail=3, **room))
    with pytest.raises(StoreError, match=r"needs about .* files and the disk has room for 3: delete some files"):
        go(tmp_path / "run")
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_files=0, f_favail=0, **room))
    assert go(tmp_path / "run").ran, "a file system that makes inodes as it needs them says that it has none"


def test_a_checkpoint_that_does_not_fit_does_not_end_a_training_whose_weights_do(tmp_path, monkeypatch, caplog):
    undisturbed = ModelCache(tmp_path / "calm").get_or_train(REQUEST)

    def full(self, tensors, about):
        raise UnwritableError("no space left for the checkpoint")

    monkeypatch.setattr(Checkpoint, "save", full)
    model = ModelCache(tmp_path / "full", checkpoint_every=0).get_or_train(REQUEST)
    assert "training goes on without a checkpoint: no space left" in caplog.text
    assert ModelCache(tmp_path / "full").has(REQUEST)
    for name, tensor in undisturbed.classifier.state_dict().items():
        assert torch.equal(tensor, model.classifier.state_dict()[name])


def test_a_cache_that_cannot_be_written_stops_the_run_and_a_damaged_model_costs_its_own_jobs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match="cache of trained models"):
        go(tmp_path / "first", cache=tmp_path / "file" / "models")
    models = tmp_path / "models"
    undisturbed = go(tmp_path / "second", cache=models)
    next(models.glob("*.safetensors")).write_bytes(b"cut")
    summary = go(tmp_path / "third", cache=models)
    assert 0 < len(summary.failed) < len(undisturbed.ran)
    assert len(summary.failed) + len(summary.ran) == len(undisturbed.ran)
