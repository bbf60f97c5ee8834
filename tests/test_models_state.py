"""Weights are data: read whole or refused, never unpickled, and what was unwrapped is said."""

from __future__ import annotations

import argparse
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from frontdef.errors import ModelError
from frontdef.models.sources import ModelSource, open_model
from frontdef.models.state import USUAL_KEYS, sha256_of

NETS = """
from torch import nn

def build(width=4):
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width * 36, 10))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "nets.py").write_text(NETS, encoding="utf-8")
    return tmp_path


def trained(width=4):
    """A network whose values no seed of the build gives."""
    torch.manual_seed(7)
    network = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width * 36, 10))
    network[1].running_mean.uniform_()
    return network


def opened(folder, weights, **keys):
    source = ModelSource(name="mine", source="nets.py:build", weights=weights, **keys)
    return open_model(source, base=folder, image_shape=(1, 8, 8))


def same(model):
    x = torch.rand(3, 1, 8, 8)
    return torch.equal(model.module(x), trained().eval()(x))


def wrap(kind, state):
    if kind in USUAL_KEYS:
        return {kind: state, "epoch": 3, "best": np.float64(0.9), "args": argparse.Namespace(lr=0.1), "optimizer": {}}
    if kind == "plain":
        return state
    if kind == "ema beside it":
        return {"model": state, "model_ema": {name: torch.zeros_like(value) for name, value in state.items()}}
    prefixes = {"DataParallel": "module.", "compiled": "_orig_mod.", "both": "module._orig_mod.", "Lightning": "model."}
    named = OrderedDict((prefixes[kind] + name, value) for name, value in state.items())
    return {"state_dict": named} if kind == "Lightning" else named


@pytest.mark.parametrize(
    "kind", ["plain", *USUAL_KEYS, "ema beside it", "DataParallel", "compiled", "both", "Lightning"]
)
def test_every_usual_wrapping_gives_the_same_model_and_is_said(folder, kind):
    torch.save(wrap(kind, trained().state_dict()), folder / "w.pt")
    model = opened(folder, "w.pt")
    assert same(model)
    assert [note.about for note in model.notes] == ["weights"] * {"plain": 0, "Lightning": 2}.get(kind, 1)


def test_safetensors_and_half_precision_files(folder):
    save_file(trained().state_dict(), folder / "w.safetensors")
    assert same(opened(folder, "w.safetensors"))
    save_file({name: value.half() for name, value in trained().state_dict().items()}, folder / "h.safetensors")
    assert next(opened(folder, "h.safetensors").module.parameters()).dtype == torch.float32


def test_a_key_of_its_own(folder):
    torch.save({"teacher": {"w": torch.zeros(1)}, "student": trained().state_dict()}, folder / "w.pt")
    assert same(opened(folder, "w.pt", weights_key="student"))
    with pytest.raises(ModelError, match="several state dicts: teacher, student"):
        opened(folder, "w.pt")
    with pytest.raises(ModelError, match="Did you mean 'student'"):
        opened(folder, "w.pt", weights_key="studnet")


def test_the_hash_that_is_stated_is_demanded(folder):
    torch.save(trained().state_dict(), folder / "w.pt")
    right = sha256_of(folder / "w.pt")
    assert opened(folder, "w.pt", sha256=right.upper()).identity["weights"] == right
    with pytest.raises(ModelError, match=f"its sha256 is {right}, {'0' * 64} is asked for"):
        opened(folder, "w.pt", sha256="0" * 64)


class Bomb:
    """Touches a file where it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


@pytest.mark.parametrize("how", ["torch.save", "pickle", "environment"])
def test_a_pickle_is_refused_and_never_runs(folder, how, monkeypatch):
    if how == "environment":
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    if how == "pickle":
        (folder / "w.pt").write_bytes(pickle.dumps({"state_dict": Bomb(folder / "ran")}))
    else:
        torch.save({"state_dict": trained().state_dict(), "more": Bomb(folder / "ran")}, folder / "w.pt")
    with pytest.raises(ModelError, match="refused"):
        opened(folder, "w.pt")
    assert not (folder / "ran").exists()


def test_a_whole_model_that_was_pickled_says_how_to_save_it(folder):
    torch.save(trained(), folder / "w.pt")
    with pytest.raises(ModelError, match=r"torch\.save\(model\.state_dict\(\)"):
        opened(folder, "w.pt")


def content(kind, file):
    state = trained().state_dict()
    if kind == "renamed":
        state["0.wieght"] = state.pop("0.weight")
    if kind == "missing":
        del state["3.bias"]
    if kind == "unexpected":
        state["4.weight"] = torch.zeros(1)
    if kind == "prefixed":
        state = {f"backbone.{name}": value for name, value in state.items()}
    if kind == "wider":
        state = trained(5).state_dict()
    if kind == "NaN":
        state["3.bias"][0] = torch.nan
    if kind == "no state":
        state = {"epoch": 3, "acc": 0.5}
    if kind == "a tensor":
        state = torch.zeros(3)
    torch.save(state, file)
    if kind == "truncated":
        file.write_bytes(file.read_bytes()[:500])
    if kind == "empty":
        file.write_bytes(b"")
    if kind == "LFS":
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", encoding="utf-8")


REFUSED = {
    "renamed": "0.wieght (did you mean 0.weight?)",
    "missing": "missing: 3.bias",
    "unexpected": "1 are not expected: 4.weight",
    "prefixed": "Only the file's names have the prefix 'backbone.'",
    "wider": "0.weight is (5, 1, 3, 3), the model's is (4, 1, 3, 3)",
    "NaN": "holds NaN or infinite values: 3.bias",
    "no state": "holds no state dict",
    "a tensor": "not a state dict",
    "truncated": "truncated, damaged",
    "empty": "truncated, damaged",
    "LFS": "git lfs pull",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_weights_that_do_not_fit_are_refused_with_their_mend(folder, kind):
    content(kind, folder / "w.pt")
    with pytest.raises(ModelError) as caught:
        opened(folder, "w.pt")
    assert REFUSED[kind] in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "no foreign traceback"


def test_a_file_that_is_not_there_and_one_of_another_kind(folder):
    torch.save(trained().state_dict(), folder / "mine.pt")
    with pytest.raises(ModelError, match=r"Did you mean 'mine\.pt'"):
        opened(folder, "mien.pt")
    (folder / "w.h5").write_bytes(b"x")
    with pytest.raises(ModelError, match="is none of them"):
        opened(folder, "w.h5")
    (folder / "w.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match="damaged"):
        opened(folder, "w.safetensors")
