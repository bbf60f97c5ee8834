"""A training that was killed goes on from its last checkpoint and ends in the weights of one that never was."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from frontdef import training, weights
from frontdef.classifiers import CLASSIFIERS
from frontdef.config import Config
from frontdef.datasets import Split, parse
from frontdef.errors import ConfigError, StoreError
from frontdef.frontend import FrontEnd
from frontdef.models.cache import ModelCache
from frontdef.models.request import ModelRequest
from frontdef.stage import Stage
from frontdef.training import Checkpoint
from frontdef.whole import temporary
from tests.forks import fork, wait

BUILD = {classifier.name: classifier.build for classifier in CLASSIFIERS}

STAGES = (
    Stage(epochs=2, name="one", optimizer="sgd", lr=0.05, schedule="cyclic", augment="crop-flip"),
    Stage(epochs=2, name="two", final_lr=1e-4, adversarial="linf", eps=0.1, attack_steps=1, weight_decay=0.1),
    Stage(epochs=2, name="three", trains="classifier", optimizer="sgd", schedule="steps", milestones=(1,), lr=0.1),
)


class NoisyGain(FrontEnd[Config]):
    """A trained factor, and noise of its own generator; a front end inside draws, too."""

    randomized = True
    learns = True

    def __init__(self, *args, inner=True, **kwargs):
        super().__init__(*args, **kwargs)
        self.gain = nn.Parameter(torch.tensor(1.0))
        self.inner = NoisyGain(*args, inner=False, **kwargs) if inner else None

    def forward(self, x):
        noise = 0.05 * torch.rand(x.shape, generator=self.generator(x.device))
        return self.gain * (x if self.inner is None else self.inner(x)) + noise


@pytest.fixture(scope="module")
def train() -> Split:
    return parse("digits").load("train").take(96)


class StoppedError(Exception):
    """Stands for whatever ends a process between two epochs."""


def fit(train, checkpoint=None, stop_after=None):
    torch.manual_seed(5)
    front_end = NoisyGain(Config())
    classifier = nn.Sequential(BUILD["fc2"]((1, 28, 28), 10, seed=0), nn.Dropout(0.2))

    def stop(epoch, *_):
        if epoch == stop_after:
            raise StoppedError

    log = training.fit_classifier(front_end, classifier, train, STAGES, seed=3, checkpoint=checkpoint, progress=stop)
    return {**front_end.state_dict(), **classifier.state_dict()}, log


def equal(expected, state):
    return expected.keys() == state.keys() and all(torch.equal(expected[name], state[name]) for name in expected)


@pytest.mark.parametrize("stop_after", range(1, 6))
def test_stopped_after_any_epoch_it_ends_the_same_bit_for_bit(train, tmp_path, stop_after):
    undisturbed, log = fit(train)
    checkpoint = Checkpoint(tmp_path / "c.safetensors", "me", every=0)
    with pytest.raises(StoppedError):
        fit(train, checkpoint, stop_after)
    resumed, resumed_log = fit(train, checkpoint)
    assert equal(undisturbed, resumed)
    assert resumed_log.losses == log.losses
    assert resumed_log.accuracies == log.accuracies


def test_a_checkpoint_of_another_training_is_refused(train, tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(StoppedError):
        fit(train, Checkpoint(path, {"lr": 1}, every=0), 1)
    with pytest.raises(StoreError, match=r"belongs to another training \(its configuration or hash differs\): delete"):
        fit(train, Checkpoint(path, {"lr": 2}, every=0))


def test_a_damaged_checkpoint_is_named(train, tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(StoppedError):
        fit(train, Checkpoint(path, "me", every=0), 1)
    whole = path.read_bytes()
    for damaged in (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], whole[: len(whole) // 2], b""):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"c.safetensors.*elete it, and it is made anew"):
            fit(train, Checkpoint(path, "me", every=0))


def test_divergence_names_the_last_good_checkpoint(train, tmp_path):
    path = tmp_path / "c.safetensors"
    stages = (Stage(epochs=1, name="calm"), Stage(epochs=2, name="hot", lr=1e30))
    classifier = BUILD["fc2"]((1, 28, 28), 10, seed=0)
    with pytest.raises(
        ConfigError, match=r"stage 2 'hot', its epoch 1\).*last good checkpoint, after epoch 1, is .*c.saf"
    ):
        training.fit_classifier(
            NoisyGain(Config()), classifier, train, stages, seed=0, checkpoint=Checkpoint(path, "me", every=0)
        )


REQUEST = ModelRequest("digits", "fc2", "none", {}, (Stage(epochs=200, lr=1e-2),), 150, 0)


def test_a_killed_process_is_gone_on_from(tmp_path):
    """SIGKILL in the middle of a training; the cache then holds a checkpoint and no model."""
    undisturbed = ModelCache(tmp_path / "calm").get_or_train(REQUEST)
    models = ModelCache(tmp_path / "killed", checkpoint_every=0)
    process = fork(lambda: models.get_or_train(REQUEST))
    path = models.checkpoint(REQUEST).path
    deadline = time.monotonic() + 120
    while not path.is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    assert wait(process) == -signal.SIGKILL
    assert not models.has(REQUEST), "the training ended before it could be killed"
    begun = len(weights.load_single(path)[1]["losses"])
    assert 0 < begun < 200
    told = []
    resumed = models.get_or_train(REQUEST, progress=lambda *values: told.append(values[0]))
    assert told[0] == begun + 1
    assert equal(undisturbed.classifier.state_dict(), resumed.classifier.state_dict())
    assert [path.name for path in models.root.glob("*.partial*")] == []


def test_what_a_process_killed_while_it_wrote_a_checkpoint_left_is_swept(tmp_path):
    ended = fork(lambda: None)
    wait(ended)
    models = ModelCache(tmp_path)
    living = temporary(models.checkpoint(REQUEST).path)
    dead = living.with_name(living.name.replace(f".{os.getpid()}.tmp", f".{ended}.tmp"))
    for path in (living, dead):
        path.write_bytes(b"half of a checkpoint")
    models.get_or_train(replace(REQUEST, recipe=(Stage(epochs=1),)))
    assert (living.exists(), dead.exists()) == (True, False)


def test_a_model_of_another_request_is_not_taken_for_this_one(tmp_path):
    models = ModelCache(tmp_path)
    small = replace(REQUEST, recipe=(Stage(epochs=1),))
    models.get_or_train(small)
    for suffix in (".safetensors", ".json"):
        models.path(small).with_suffix(suffix).rename(models.path(REQUEST).with_suffix(suffix))
    with pytest.raises(StoreError, match=r"holds another model.*configuration or hash differs.*trained again"):
        models.get_or_train(REQUEST)
