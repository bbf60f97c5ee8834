"""RobustBench from checkpoints in its own layout; its models are built by its own code, where that is installed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import pickle
import subprocess
import sys

import pytest
import torch
from frontdef_zoo import robustbench as zoo

from frontdef import Preprocessing
from frontdef.errors import ModelError, UnknownNameError
from frontdef.models.sources import ModelSource, open_model

NAME = "Sehwag2020Hydra"  # a WideResNet-28-10 without a normalization of its own


def missing():
    """Why RobustBench can't be used; empty where it can. A process of its own: half an import would stay behind."""
    code = "from frontdef_zoo import robustbench; robustbench.names()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return ended.stderr.strip().splitlines()[-1] if ended.returncode else ""


@pytest.fixture(scope="module")
def bench():
    if reason := missing():
        pytest.skip(f"RobustBench can't be used: {reason}")
    return zoo._module("robustbench.model_zoo")


def opened(tmp_path, name, **arguments):
    source = ModelSource(name="mine", source=f"robustbench:{name}", arguments=arguments)
    return open_model(source, base=tmp_path, image_shape=(3, 32, 32), n_classes=10)


@pytest.mark.parametrize(("folder", "arguments"), [("models", {}), ("elsewhere", {"folder": "elsewhere"})])
def test_a_checkpoint_in_its_own_layout_is_the_model(bench, tmp_path, folder, arguments):
    name = "Wong2020Fast"
    entry = bench.model_dicts[bench.enums.BenchmarkDataset.cifar_10][bench.enums.ThreatModel.Linf][name]
    torch.manual_seed(7)
    network = entry["model"]().eval()
    file = tmp_path / folder / "cifar10" / "Linf" / f"{name}.pt"
    file.parent.mkdir(parents=True)
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, file)
    model = opened(tmp_path, f"cifar10/Linf/{name}", **arguments)
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(model.module(x), network(x))
    assert model.identity["code"]["checkpoints"].keys() == {f"{name}.pt"}


def test_a_checkpoint_that_is_not_there_is_never_fetched(bench, tmp_path):
    with pytest.raises(ModelError, match="is not on disk"):
        opened(tmp_path, f"cifar10/Linf/{NAME}")


@pytest.mark.parametrize(
    ("name", "near"),
    [("cifar11/Linf/Standard", "cifar10"), ("cifar10/linf/Standard", "Linf"), ("cifar10/Linf/Sehwag2020Hydro", NAME)],
)
def test_a_name_that_does_not_exist_gets_the_nearest(bench, tmp_path, name, near):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{near}'"):
        opened(tmp_path, name)


def test_where_it_is_not_installed_the_mend_is_said(tmp_path):
    """The copy that torchattacks brings can be found under the name, and is not taken for it."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution("robustbench")
        pytest.skip("RobustBench is installed here")
    assert importlib.util.find_spec("robustbench") is not None
    with pytest.raises(ModelError, match=r'an old copy.*pip install "frontdef-zoo\[robustbench\]"'):
        opened(tmp_path, f"cifar10/Linf/{NAME}")


def test_a_copy_that_was_installed_over_it_is_found_out(tmp_path, monkeypatch):
    """A real distribution, one of whose files is another than its RECORD says."""
    package, info = tmp_path / "robustbench", tmp_path / "robustbench-9.9.dist-info"
    for folder in (package, info):
        folder.mkdir()
    (package / "utils.py").write_text("old = 1\n", encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: robustbench\nVersion: 9.9\n", encoding="utf-8")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"new = 1\n").digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"robustbench/utils.py,sha256={digest},8\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelError, match="pip install --force-reinstall --no-deps robustbench"):
        zoo.require_own_code()
    (package / "utils.py").write_text("new = 1\n", encoding="utf-8")
    zoo.require_own_code()


# What needs no RobustBench


@pytest.mark.parametrize("name", ["Standard", "cifar10/Standard", "cifar10/Linf/", "a/b/c/d"])
def test_a_name_of_another_form_is_refused(tmp_path, name):
    with pytest.raises(ModelError, match="is no DATASET/THREAT/NAME"):
        opened(tmp_path, name)


def test_the_layout_of_single_models_ensembles_and_corruptions(tmp_path):
    (single,) = zoo.checkpoints(tmp_path, "cifar10", "Linf", "A", "id")
    assert single == tmp_path / "cifar10" / "Linf" / "A.pt"
    members = zoo.checkpoints(tmp_path, "cifar10", "Linf", "A", ["1", "2"])
    assert [file.name for file in members] == ["A.pt_m0.pt", "A.pt_m1.pt"]
    assert zoo.checkpoints(tmp_path, "imagenet", "corruptions_3d", "A", "id")[0].parent.name == "corruptions"


def test_what_is_on_disk_is_named_where_a_checkpoint_is_missing(tmp_path):
    there = tmp_path / "cifar10" / "Linf" / "Mine.pt"
    there.parent.mkdir(parents=True)
    torch.save({}, there)
    zoo.require_on_disk([there], tmp_path, "cifar10/Linf/Mine")
    with pytest.raises(ModelError, match=r"has cifar10/Linf/Mine\. Nothing is downloaded unasked"):
        zoo.require_on_disk([there.with_name("Other.pt")], tmp_path, "cifar10/Linf/Other")


class Bomb:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path):
    (tmp_path / "A.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(ModelError, match="refused"):
        zoo.read_state_quietly(tmp_path / "A.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, None),
        ("Crop288", Preprocessing((), (288, 288))),
        ("Res256Crop224", Preprocessing((256,), (224, 224))),
        ("Res224", Preprocessing((224, 224), ())),
        ("BicubicRes256Crop224", Preprocessing((256,), (224, 224), "bicubic")),
    ],
)
def test_preprocessing_by_its_name(name, said):
    assert zoo.preprocessing(name) == said
