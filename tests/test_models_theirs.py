"""Checkpoints that somebody else trained: four CIFAR-10 networks, as their authors saved them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frontdef.errors import DataError, ModelError
from frontdef.models.check import check_model
from frontdef.models.gate import gate
from frontdef.models.sources import ModelSource, open_model
from frontdef.registry import get_dataset

FOLDER = os.environ.get("FRONTDEF_MODELS", "")
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not (Path(FOLDER) / "cifar_resnet32.py").is_file(),
        reason="FRONTDEF_MODELS names no folder with cifar_resnet32.py and its checkpoints nt.pt, pgd-at.pt, …",
    ),
]


@pytest.fixture(scope="module")
def samples():
    try:
        return get_dataset("cifar10-jpeg").load("test").take(400, 0)
    except DataError as error:
        pytest.skip(str(error))


def opened(name, **keys):
    source = ModelSource(name=name, source="cifar_resnet32.py:build", weights=f"{name}.pt", **keys)
    return open_model(source, base=FOLDER, n_classes=10, image_shape=(3, 32, 32))


@pytest.mark.parametrize(("name", "stated"), [("nt", 0.647), ("pgd-at", 0.782)])
def test_what_their_owners_measured_is_reached(samples, name, stated):
    model = opened(name)
    assert check_model(model, samples.images, samples.labels, n_classes=10) == []
    assert gate(model, samples.images, samples.labels, stated).n == 400


def test_each_checkpoint_has_a_key_of_its_own():
    assert len({opened(name).key for name in ("nt", "pgd-at", "trades", "rfgsm")}) == 4


def test_a_second_normalization_is_found_out(samples):
    moments = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2471, 0.2435, 0.2616]}
    with pytest.raises(ModelError, match="no `normalize`"):
        gate(opened("pgd-at", normalize=moments), samples.images, samples.labels, 0.782)


def test_another_checkpoint_than_stated_is_not_explained_away(samples):
    with pytest.raises(ModelError, match="No usual normalization"):
        gate(opened("nt"), samples.images, samples.labels, 0.9266)
