"""Models by name: what their weights declare goes where it belongs, and nothing is fetched unasked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from frontdef.errors import ConfigError, ModelError, UnknownNameError
from frontdef.models.sources import ModelSource, open_model

IMAGENET = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1), torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)


def opened(source, *, base=".", image_shape=(3, 32, 32), **keys):
    return open_model(ModelSource(name="mine", source=source, **keys), base=base, image_shape=image_shape)


def images(n=2, size=32):
    return torch.rand((n, 3, size, size), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("source", ["torchvision:resnet18", "timm:resnet18"])
def test_without_weights_they_are_random_the_same_every_time_and_said(source):
    torch.manual_seed(1)
    first = opened(source)
    torch.manual_seed(2)
    assert opened(source).key == first.key
    assert [note.text for note in first.notes] == ["no weights are named, so they are random"]
    assert first.n_classes == 1000


@pytest.mark.parametrize(
    ("source", "reference"),
    [
        ("torchvision:resnet18", lambda: torchvision.models.resnet18(num_classes=10)),
        ("timm:resnet18", lambda: timm.create_model("resnet18", num_classes=10)),
    ],
)
def test_a_file_gives_the_network_behind_the_declared_normalization(tmp_path, source, reference):
    torch.manual_seed(7)
    network = reference().eval()
    save_file(network.state_dict(), tmp_path / "mine.safetensors")
    model = opened(source, base=tmp_path, weights="mine.safetensors", arguments={"num_classes": 10})
    mean, std = IMAGENET
    torch.testing.assert_close(model.module(images()), network((images() - mean) / std))
    assert not [note for note in model.notes if "random" in note.text]


def test_a_normalization_of_ones_own_goes_before_the_declared_one_and_is_warned_of():
    own = {"mean": [0.5], "std": [0.5]}
    model = opened("torchvision:resnet18", normalize=own)
    assert model.identity["reading"]["normalize"] == own
    assert [note.severity for note in model.notes if note.about == "normalize"] == ["warning"]


@pytest.mark.parametrize(
    ("source", "resize", "crop", "interpolation", "mean"),
    [
        ("torchvision:resnet18", (256,), (224, 224), "bilinear", 0.485),
        ("torchvision:resnet50", (232,), (224, 224), "bilinear", 0.485),
        ("timm:vit_tiny_patch16_224", (248,), (224, 224), "bicubic", 0.5),
        ("timm:resnet18.tv_in1k", (256,), (224, 224), "bilinear", 0.485),
    ],
)
def test_preprocessing_is_what_the_weights_declare(source, resize, crop, interpolation, mean):
    model = opened(source, image_shape=None)
    said = model.preprocessing
    assert (said.resize, said.crop, said.interpolation) == (resize, crop, interpolation)
    assert model.identity["reading"]["normalize"]["mean"][0] == mean


def test_a_file_is_told_by_its_name():
    """ResNet-50 has two sets of weights in torchvision; the older one was trained for another resize."""
    weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V1
    from frontdef_zoo.torchvision import _of_file

    assert _of_file(Path(weights.url.rpartition("/")[2]), type(weights)) is weights
    assert _of_file(Path("mine.pth"), type(weights)) is type(weights).IMAGENET1K_V2


@pytest.mark.parametrize(
    ("source", "weights"),
    [
        ("torchvision:resnet18", "IMAGENET1K_V1"),
        ("timm:resnet18", "a1_in1k"),
        ("timm:vit_tiny_patch16_224", "augreg_in21k"),
    ],
)
def test_weights_that_are_not_on_disk_are_refused_without_touching_the_network(source, weights, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"on disk.*, and nothing is downloaded unasked"):
        opened(source, weights=weights)


def test_weights_in_torchs_cache_are_read(tmp_path):
    torch.manual_seed(7)
    network = torchvision.models.resnet18().eval()
    file = Path(torch.hub.get_dir()) / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    torch.save(network.state_dict(), file)
    model = opened("torchvision:resnet18", weights="IMAGENET1K_V1")
    mean, std = IMAGENET
    torch.testing.assert_close(model.module(images()), network((images() - mean) / std))


@pytest.mark.parametrize(
    ("source", "weights", "near"),
    [
        ("torchvision:resnet19", None, "resnet1"),
        ("torchvision:resnet18", "IMAGENET1K_V3", "IMAGENET1K_V1"),
        ("timm:resnet18d_", None, "resnet18d"),
        ("timm:resnet18", "a1_in1", "a1_in1k"),
    ],
)
def test_a_name_that_does_not_exist_gets_the_nearest(source, weights, near):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{near}"):
        opened(source, weights=weights)


def test_what_the_model_does_not_take_is_an_error_of_our_own():
    with pytest.raises(ModelError, match="torchvision:resnet18 raised TypeError"):
        opened("torchvision:resnet18", arguments={"num_clases": 10})
    with pytest.raises(ModelError, match=r"arguments = \{ num_classes = 10 \}"):
        open_model(ModelSource(name="x", source="timm:resnet18"), image_shape=(3, 32, 32), n_classes=10)
    with pytest.raises(ModelError, match="on images"):
        opened("timm:vit_tiny_patch16_224")


def test_pretrained_weights_are_asked_for_by_a_name_that_exists():
    source = ModelSource(name="mine", source="timm:resnet18", arguments={"pretrained": True})
    with pytest.raises(ConfigError, match=r"Mend: weights = '([^']+)' in .*, on the command line --weights") as refused:
        open_model(source)
    tag = re.search("weights = '([^']+)'", str(refused.value)).group(1)
    assert f"resnet18.{tag}" in timm.list_pretrained("resnet18.*")
