"""RobustBench from checkpoints in its own layout; its models are built by its own code, where that is installed."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import pickle
import sys
import textwrap

import pytest
import torch
from frontdef_zoo import robustbench as zoo

from frontdef import Preprocessing
from frontdef.errors import ModelError, UnknownNameError
from frontdef.models.sources import ModelSource, open_model

NAME = "Sehwag2020Hydra"  # a WideResNet-28-10 without a normalization of its own


FAST = "Wong2020Fast"

STAND_IN = {
    # RobustBench's own cannot be imported either, so nothing may ask for it.
    "__init__.py": "import a_module_that_nobody_has\n",
    "model_zoo/__init__.py": """
        from robustbench.model_zoo import enums
        from robustbench.model_zoo.models import model_dicts
    """,
    "model_zoo/enums.py": """
        from enum import Enum

        class BenchmarkDataset(Enum):
            cifar_10 = "cifar10"

        class ThreatModel(Enum):
            Linf = "Linf"
            L2 = "L2"
    """,
    "model_zoo/models.py": f"""
        from torch import nn
        from robustbench.model_zoo.enums import BenchmarkDataset, ThreatModel

        def tiny():
            return nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))

        def built():
            import torch
            network = tiny()
            network(torch.zeros(1, 3, 32, 32))
            return network

        rows = {{name: {{"model": built, "gdrive_id": "somewhere"}} for name in ({FAST!r}, {NAME!r})}}
        model_dicts = {{BenchmarkDataset.cifar_10: {{ThreatModel.Linf: rows, ThreatModel.L2: {{}}}}}}
    """,
    "utils.py": """
        from pathlib import Path
        import torch
        from robustbench.model_zoo.enums import BenchmarkDataset, ThreatModel
        from robustbench.model_zoo.models import model_dicts

        def load_model(model_name, model_dir, dataset, threat_model):
            file = Path(model_dir) / dataset / threat_model / f"{model_name}.pt"
            if not file.exists():
                raise AssertionError("it would be downloaded")
            network = model_dicts[BenchmarkDataset(dataset)][ThreatModel(threat_model)][model_name]["model"]()
            state = torch.load(file, weights_only=True)["state_dict"]
            network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
            return network.eval()
    """,
}
"""RobustBench as far as the zoo asks it: two of its names, each a tiny network, and checkpoints in its own layout."""


def install(folder, files):
    """Write a distribution ``robustbench`` with the RECORD that pip would write."""
    info = folder / "robustbench-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: robustbench\nVersion: 9.9\n", encoding="utf-8")
    record = []
    for name, text in files.items():
        file = folder / "robustbench" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()
        record.append(f"robustbench/{name},sha256={digest},{file.stat().st_size}\n")
    (info / "RECORD").write_text("".join(record), encoding="utf-8")


def installed():
    """Whether RobustBench itself is there."""
    try:
        importlib.metadata.distribution("robustbench")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture
def bench(tmp_path_factory, monkeypatch):
    """RobustBench's own tables where it is installed, those of a stand-in elsewhere."""
    theirs = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "robustbench"}
    if not installed():
        folder = tmp_path_factory.mktemp("site")
        install(folder, STAND_IN)
        monkeypatch.syspath_prepend(str(folder))
    yield zoo._module("robustbench.model_zoo")
    for name in [name for name in sys.modules if name.partition(".")[0] == "robustbench"]:
        del sys.modules[name]
    sys.modules.update(theirs)


def opened(tmp_path, name, **arguments):
    source = ModelSource(name="mine", source=f"robustbench:{name}", arguments=arguments)
    return open_model(source, base=tmp_path, image_shape=(3, 32, 32), n_classes=10)


@pytest.mark.parametrize(("folder", "arguments"), [("models", {}), ("elsewhere", {"folder": "elsewhere"})])
def test_a_checkpoint_in_its_own_layout_is_the_model(bench, tmp_path, folder, arguments):
    entry = bench.model_dicts[bench.enums.BenchmarkDataset.cifar_10][bench.enums.ThreatModel.Linf][FAST]
    torch.manual_seed(7)
    network = entry["model"]().eval()
    file = tmp_path / folder / "cifar10" / "Linf" / f"{FAST}.pt"
    file.parent.mkdir(parents=True)
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, file)
    model = opened(tmp_path, f"cifar10/Linf/{FAST}", **arguments)
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(model.module(x), network(x))
    assert model.identity["code"]["checkpoints"].keys() == {f"{FAST}.pt"}


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


def test_the_names_are_those_of_its_tables(bench):
    assert {f"cifar10/Linf/{FAST}", f"cifar10/Linf/{NAME}"} <= set(zoo.names())


@pytest.mark.skipif(installed(), reason="RobustBench is installed here")
def test_where_it_is_not_installed_the_mend_is_said(tmp_path):
    """The copy that torchattacks brings can be found under the name, and is not taken for it."""
    assert importlib.util.find_spec("robustbench") is not None
    with pytest.raises(ModelError, match=r'an old copy.*pip install "frontdef-zoo\[robustbench\]"'):
        opened(tmp_path, f"cifar10/Linf/{NAME}")


def test_a_copy_that_was_installed_over_it_is_found_out(tmp_path, monkeypatch):
    """A real distribution, one of whose files is another than its RECORD says."""
    install(tmp_path, {"utils.py": "new = 1\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    zoo.require_own_code()
    (tmp_path / "robustbench" / "utils.py").write_text("old = 1\n", encoding="utf-8")
    with pytest.raises(ModelError, match="pip install --force-reinstall --no-deps robustbench"):
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


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"weights": "mine.pt"}, r"leave weights = '.*mine\.pt' out \(--weights\).* at FOLDER/cifar10/Linf/Mine\.pt"),
        ({"arguments": {"root": "here"}}, "takes the argument folder alone, got root"),
    ],
)
def test_a_mend_says_what_to_write(tmp_path, keys, said):
    (tmp_path / "mine.pt").write_bytes(b"")
    source = ModelSource(name="mine", source="robustbench:cifar10/Linf/Mine", **keys)
    with pytest.raises(ModelError, match=said) as refused:
        open_model(source, base=tmp_path)
    assert 'arguments = { folder = "FOLDER" } in [[model]]' in str(refused.value)
    assert "--argument folder=FOLDER" in str(refused.value)


def test_what_is_on_disk_is_named_where_a_checkpoint_is_missing(tmp_path):
    there = tmp_path / "cifar10" / "Linf" / "Mine.pt"
    there.parent.mkdir(parents=True)
    torch.save({}, there)
    zoo.require_on_disk([there], tmp_path, "cifar10/Linf/Mine")
    with pytest.raises(ModelError, match=r"has cifar10/Linf/Mine\. Nothing is downloaded unasked") as refused:
        zoo.require_on_disk([there.with_name("Other.pt")], tmp_path, "cifar10/Linf/Other")
    assert "at FOLDER/cifar10/Linf/Other.pt" in str(refused.value)
    assert "--argument folder=FOLDER" in str(refused.value)


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
