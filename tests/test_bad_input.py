"""Images and labels that break the contract are named at the door, by every way in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import frontdef
from frontdef.errors import ConfigError, ImageError, UnknownNameError
from frontdef.images import as_images, as_labels

GOOD = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)


def with_value(value):
    images = GOOD.copy()
    images[1, 0, 3, 4] = value
    return images


BAD = {
    "uint8": ((GOOD * 255).astype(np.uint8), "float32 in \\[0,1\\], got torch.uint8"),
    "0 to 255": (GOOD * 255, "divide 0–255 pixels by 255"),
    "negative": (GOOD - 0.5, "images are in \\[0,1\\]"),
    "nan": (with_value(np.nan), "NaN or infinite"),
    "inf": (with_value(np.inf), "NaN or infinite"),
    "no channel": (GOOD[:, 0], r"\(N,C,H,W\)"),
    "channels last": (GOOD.transpose(0, 2, 3, 1), r"\(N,1,28,28\) are expected"),
    "no image": (GOOD[:0], "at least 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_named(case):
    images, message = BAD[case]
    with pytest.raises(ImageError, match=message):
        as_images(images, (1, 28, 28))


@pytest.mark.parametrize("case", BAD)
def test_protected_predict_refuses_them_too(case):
    images, message = BAD[case]
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    protected = frontdef.protect(net, image_shape=(1, 28, 28))
    with pytest.raises(ImageError, match=message):
        protected.predict(images)


@pytest.mark.parametrize("case", ["uint8", "0 to 255", "nan", "inf", "no channel"])
def test_the_art_preprocessor_refuses_what_no_attack_can_produce(case):
    images, _ = BAD[case]
    preprocessor = frontdef.load("none", image_shape=(1, 28, 28))
    with pytest.raises(ImageError):
        preprocessor(images)


def test_an_attack_may_leave_the_box_on_its_way():
    frontdef.load("none")(GOOD * 1.5 - 0.2)


def test_float64_and_non_contiguous_arrays_lose_nothing():
    wide = np.asfortranarray(GOOD.astype(np.float64))
    assert not wide.flags["C_CONTIGUOUS"]
    images = as_images(wide)
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    assert np.array_equal(images.numpy(), GOOD)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(10)[[1, 2, 3]], "one-hot"),
        ([1, 2], "shape \\(3,\\)"),
        ([0.5, 1.0, 2.0], "integers"),
        ([0, 1, 10], "0…9 for 10 classes, got 0…10"),
        ([-1, 1, 2], "got -1…2"),
    ],
)
def test_bad_labels_are_named(labels, message):
    with pytest.raises(ImageError, match=message):
        as_labels(np.asarray(labels), 3, 10)


def test_unknown_names_give_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'none'"):
        frontdef.load("non")


def test_a_mistyped_key_gives_the_nearest():
    with pytest.raises(ConfigError, match="unknown key 'level'"):
        frontdef.load("none", level=3)


def test_contradicting_image_shapes():
    net = torch.nn.Flatten()
    protected = frontdef.protect(net, image_shape=(1, 28, 28))
    with pytest.raises(ImageError, match=r"\(N,1,28,28\) are expected"):
        protected(torch.rand(2, 3, 32, 32))
    with pytest.raises(ConfigError, match=r"\(C, H, W\)"):
        frontdef.load("none", image_shape=(28, 28))


def test_art_needs_the_image_shape():
    with pytest.raises(ConfigError, match="image_shape"):
        frontdef.protect(torch.nn.Flatten()).art_classifier()
