"""Data in a user's hands: what loses nothing is converted, all else is refused with the line that mends it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from frontdef.checks.generators import global_states
from frontdef.datasets import Split, as_split, memory
from frontdef.errors import ConfigError, DataError, FrontdefError, ImageError, UnknownNameError

BYTES = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 10), dtype=np.uint8)
UNIT = BYTES.astype(np.float32) / 255
LABELS = np.array([2, 0, 1, 1, 0, 2])


class Items(torch.utils.data.Dataset):
    """A map-style Dataset of whatever it is given, which counts what is read."""

    def __init__(self, images, labels, transform=None):
        self.images, self.labels, self.transform = images, labels, transform
        self.read: list[int] = []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        self.read.append(row)
        image = self.images[row]
        return image if self.transform is None else self.transform(image), self.labels[row]


def pictures() -> list[Image.Image]:
    return [Image.fromarray(image.transpose(1, 2, 0)) for image in BYTES]


SAME = {
    "uint8": BYTES,
    "float32": UNIT,
    "float64": BYTES / 255,
    "big-endian": UNIT.astype(">f4"),
    "big-endian float64": (BYTES / 255).astype(">f8"),
    "negative strides": np.ascontiguousarray(UNIT[:, ::-1])[:, ::-1],
    "column-major": np.asfortranarray(UNIT),
    "tensor": torch.from_numpy(UNIT.copy()),
    "tensor with a gradient": torch.from_numpy(UNIT.copy()).requires_grad_(),
    "list of tensors": list(torch.from_numpy(UNIT.copy())),
    "nested lists": BYTES.astype(np.float64).__truediv__(255).tolist(),
    "pictures": pictures(),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_pixels_whatever_holds_them(case):
    split = as_split(SAME[case], LABELS)
    assert (split.images.dtype, split.labels.dtype, split.ids.dtype) == (torch.float32, torch.int64, torch.int64)
    assert split.images.is_contiguous()
    assert not split.images.requires_grad
    assert np.array_equal(split.images.numpy(), UNIT)
    assert split.labels.tolist() == LABELS.tolist()
    assert split.ids.tolist() == list(range(6))


WAYS = {
    "pair": (BYTES, LABELS),
    "mapping": {"x": BYTES, "y": LABELS},
    "mapping as Keras calls it": {"x_test": BYTES, "y_test": LABELS, "x_train": BYTES[:2], "y_train": LABELS[:2]},
    "mapping with a layout": {"x": BYTES.transpose(0, 2, 3, 1), "y": LABELS, "layout": np.array("NHWC")},
    "dataset of pictures": Items(pictures(), LABELS.tolist()),
    "dataset of tensors": TensorDataset(torch.from_numpy(BYTES), torch.from_numpy(LABELS)),
    "list of pairs": list(zip(UNIT, LABELS, strict=True)),
    "list of mappings": [{"image": x, "label": y} for x, y in zip(pictures(), LABELS, strict=True)],
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_split_whatever_way_it_comes(way):
    assert as_split(WAYS[way]).digest() == as_split(BYTES, LABELS).digest()


def test_half_precision_is_widened_and_bool_is_black_and_white():
    half = UNIT.astype(np.float16)
    assert np.array_equal(as_split(half, LABELS).images.numpy(), half.astype(np.float32))
    assert as_split(BYTES > 127, LABELS).images.unique().tolist() == [0, 1]


def test_axes_are_said_and_never_guessed():
    last = BYTES.transpose(0, 2, 3, 1)
    with pytest.raises(ImageError, match=r"\(6, 8, 10, 3\) look like \(N,H,W,C\).*say layout='NHWC'"):
        as_split(last, LABELS)
    assert np.array_equal(as_split(last, LABELS, layout="NHWC").images.numpy(), UNIT)
    assert np.array_equal(as_split(BYTES[:, 0], LABELS, layout="NHW").images.numpy(), UNIT[:, :1])
    narrow = np.zeros((6, 2, 8, 3), np.float32)
    assert as_split(narrow, LABELS, layout="NCHW").images.shape == (6, 2, 8, 3)
    with pytest.raises(UnknownNameError, match="Did you mean 'NHWC'"):
        as_split(last, LABELS, layout="nHWC")


BAD = {
    "object": (np.array([None, 1, 2, 3, 4, 5], dtype=object), "numbers, got an array of type object"),
    "two shapes": ([np.zeros((3, 8, 8)), np.zeros((3, 9, 9))] * 3, "different shapes|have one shape"),
    "text": (np.array(["a"] * 6), "images are numbers"),
    "complex": (UNIT.astype(np.complex64), "images are numbers"),
    "complex tensor": (torch.from_numpy(UNIT).to(torch.complex64), "float32"),
    "uint16": (BYTES.astype(np.uint16) * 257, r"uint16, whose white is not known.*/ 65535"),
    "int64": (BYTES.astype(np.int64), r"int64, whose white.*astype\('uint8'\)"),
    "longdouble": (UNIT.astype(np.longdouble), "have no torch type"),
    "sparse": (torch.from_numpy(UNIT.copy()).to_sparse(), "dense"),
    "one image": (UNIT[0], r"for one image add the first axis \(x\[None\]\)"),
    "one number": (np.float32(0.5), "images are arrays, .*got float32"),
    "0 to 255": (UNIT * 255, "divide 0–255 pixels by 255"),
    "normalized": ((UNIT - 0.5) / 0.2, "normalize inside the classifier"),
    "nan": (np.where(UNIT > 0.5, np.nan, UNIT), "NaN or infinite"),
    "bytes of 0 and 1": (BYTES % 2, "the largest here is 1"),
    "masked": (np.ma.masked_greater(UNIT, 0.9), "masked"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_refused_with_the_mend(case):
    images, message = BAD[case]
    labels = LABELS[:3] if case == "one image" else LABELS
    with pytest.raises(ImageError, match=message):
        as_split(images, labels)


def test_black_bytes_are_images():
    assert as_split(np.zeros((2, 1, 4, 4), np.uint8), [0, 1]).images.max() == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:5], "6 images and 5 labels"),
        (None, "labels are needed"),
        (np.eye(3)[LABELS], "one-hot"),
        (LABELS - 1, "from 0, got -1…1"),
        (LABELS + 0.5, "integers"),
        ([None] * 6, "type object"),
        (3, "got one value"),
        (list("201102"), r"numbers written as text \('2'\).*astype\(int\)"),
    ],
)
def test_bad_labels_are_refused_with_the_mend(labels, message):
    with pytest.raises(ImageError, match=message):
        as_split(BYTES, labels)


@pytest.mark.parametrize(
    "labels", [LABELS.astype(">i4"), LABELS.astype(np.uint16), LABELS[:, None], LABELS.tolist(), torch.tensor(LABELS)]
)
def test_labels_lose_nothing(labels):
    assert as_split(BYTES, labels).labels.tolist() == LABELS.tolist()


class TestNames:
    names = ("fox", "ant", "bee", "bee", "ant", "fox")

    @pytest.mark.parametrize(
        "kind", [list, np.array, lambda names: np.array(names, object), lambda n: np.array(n, "S")]
    )
    def test_are_numbered_alphabetically_and_recorded(self, kind):
        split = as_split(BYTES, kind(self.names))
        assert split.classes == ("ant", "bee", "fox")
        assert [split.classes[label] for label in split.labels] == list(self.names)

    def test_are_numbered_in_the_models_order_where_it_is_said(self):
        split = as_split(BYTES, self.names, classes=["cow", "fox", "bee", "ant"])
        assert split.labels.tolist() == [1, 3, 2, 2, 3, 1]
        with pytest.raises(UnknownNameError, match=r"unknown class 'fox'\. Did you mean 'foxx'"):
            as_split(BYTES, self.names, classes=["foxx", "bee", "ant"])
        with pytest.raises(ConfigError, match="each name stands once"):
            as_split(BYTES, self.names, classes=["fox", "bee", "ant", "ant"])

    def test_numbers_written_as_text_can_be_said(self):
        assert as_split(BYTES, list("201102"), classes=["0", "1", "2"]).labels.tolist() == LABELS.tolist()

    def test_a_sample_has_the_numbers_of_the_whole(self):
        whole, some = as_split(BYTES, self.names), as_split(BYTES, self.names, samples=2, seed=3)
        assert some.digest() == whole.take(2, 3).digest()
        assert len(set(some.labels.tolist())) < 3

    def test_a_datasets_own_names_are_recorded(self):
        items = Items(pictures(), LABELS.tolist())
        items.classes = ["ant", "bee", "fox"]
        assert as_split(items).classes == as_split(Subset(items, [0, 1, 2])).classes == ("ant", "bee", "fox")
        items.labels = [7] * 6
        assert as_split(items).classes == ()

    def test_decide_the_digest(self):
        assert as_split(BYTES, LABELS, classes=list("abc")).digest() != as_split(BYTES, LABELS).digest()


class TestDatasets:
    def test_their_own_transforms_apply(self):
        from torchvision import transforms

        transform = transforms.Compose([transforms.CenterCrop(4), transforms.ToTensor()])
        split = as_split(Items(pictures(), LABELS, transform))
        assert np.array_equal(split.images.numpy(), UNIT[:, :, 2:6, 3:7])

    def test_random_transforms_do_the_same_each_time_and_leave_the_generators_alone(self):
        def shift(image):
            rows = int(torch.randint(8, ())) + random.randrange(8) + np.random.randint(8)
            return np.roll(np.asarray(image), rows, axis=0).transpose(2, 0, 1)

        before = global_states()
        items = Items(pictures(), LABELS, shift)
        assert as_split(items).digest() == as_split(items).digest() != as_split(items, seed=1).digest()
        assert global_states() == before

    def test_only_the_samples_asked_for_are_read(self):
        items = Items(pictures(), LABELS)
        some = as_split(items, samples=2, seed=5)
        assert items.read == some.ids.tolist()
        assert some.digest() == as_split(BYTES, LABELS).take(2, 5).digest()

    def test_pictures_are_resized_as_torchvision_does(self):
        from torchvision.transforms import functional

        split = as_split(Items(pictures(), LABELS), resize=16, crop=(12, 16))
        for image, picture in zip(split.images, pictures(), strict=True):
            reference = functional.center_crop(functional.resize(picture, [16]), [12, 16])
            assert torch.equal(image, functional.to_tensor(reference))
        assert torch.equal(split.images, as_split(BYTES, LABELS, resize=16, crop=(12, 16)).images)

    def test_floats_are_not_resized(self):
        with pytest.raises(ImageError, match=r"uint8 images of 1 or 3 channels are resized"):
            as_split(UNIT, LABELS, resize=16)

    def test_a_crop_larger_than_the_image_gets_no_black_border(self):
        with pytest.raises(ImageError, match=r"item 0 .*crop=9x9 is larger than the image"):
            as_split(Items(pictures(), LABELS), crop=9)

    def test_modes_are_converted_where_it_is_said(self):
        items = Items([picture.convert("RGBA") for picture in pictures()], LABELS)
        with pytest.raises(ImageError, match="item 0 of these samples: the image has Pillow's mode 'RGBA'"):
            as_split(items)
        assert as_split(items, mode="RGB").digest() == as_split(BYTES, LABELS).digest()

    def test_images_of_two_sizes_are_named(self):
        items = Items([*pictures()[:4], Image.new("RGB", (5, 5))], LABELS)
        with pytest.raises(ImageError, match=r"item 0 has \(3, 8, 10\) torch.uint8, item 4 has \(3, 5, 5\)"):
            as_split(items)

    def test_an_item_that_raises_is_named(self):
        items = Items(pictures(), LABELS, lambda _: 1 / 0)
        with pytest.raises(DataError, match="item 0 of mine raises ZeroDivisionError"):
            as_split(items, name="mine")

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (DataLoader(TensorDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]))), r"give its Dataset \(loader"),
            (type("Stream", (IterableDataset,), {"__iter__": lambda self: iter(())})(), "can only be gone through"),
            ((pair for pair in ()), "can only be gone through"),
            ("images.npz", "is text"),
            (7, "got int"),
            ([], "0 images"),
            ([UNIT, UNIT], "arrays are given as x, y"),
            ([(UNIT[0], 0, 0)], r"a pair \(image, label\), got tuple"),
            ([{"pixels": UNIT[0], "label": 0}], "it has pixels, label"),
            ({"images": UNIT, "y": LABELS}, "a mapping has the keys x and y"),
            ((UNIT[:0], LABELS[:0]), "0 images"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_other_things_are_explained(self, data, message):
        with pytest.raises(ImageError, match=message):
            as_split(data)

    def test_labels_beside_a_dataset_that_has_its_own(self):
        with pytest.raises(ImageError, match="leave y out"):
            as_split(Items(pictures(), LABELS), LABELS)

    def test_huge_pictures_and_sets_are_refused_before_they_are_read(self, monkeypatch):
        huge = Items([Image.new("L", (1, 1)).resize((9000, 8000))], [0])
        with pytest.raises(ImageError, match=r"9000x8000 pixels, more than 64,000,000"):
            as_split(huge)
        strip = Items([Image.new("RGB", (20_000, 1))], [0])
        with pytest.raises(ImageError, match=r"resize=256 makes 1,310,720,000 pixels"):
            as_split(strip, resize=256, crop=224)
        monkeypatch.setattr(memory, "memory_limit", lambda: 4 * 6 * 240 - 1)
        items = Items(pictures(), LABELS)
        with pytest.raises(DataError, match=r"6 images of shape \(3,8,10\) take .*take fewer samples"):
            as_split(items)
        assert items.read == [0]
        assert len(as_split(items, samples=1)) == 1


def test_memory_is_its_own():
    for images in (UNIT.copy(), torch.from_numpy(UNIT.copy())):
        labels = torch.tensor(LABELS)
        split = as_split(images, labels)
        split.images.zero_()
        split.labels.zero_()
        assert (np.asarray(images) == UNIT).all()
        assert labels.tolist() == LABELS.tolist()


def test_a_split_stays_what_it_is():
    split = as_split(BYTES, LABELS)
    assert as_split(split) is split
    assert as_split(split, samples=3).digest() == split.take(3).digest()
    with pytest.raises(ConfigError, match="ready as it is"):
        as_split(split, resize=4)


def test_wrong_sizes_name_the_key():
    for wrong, message in (
        ({"resize": 0}, "resize"),
        ({"crop": (1, 2, 3)}, "height x width"),
        ({"mode": "CMYK"}, "mode"),
    ):
        with pytest.raises(ConfigError, match=f"as_split: .*{message}"):
            as_split(BYTES, LABELS, **wrong)
    with pytest.raises(ConfigError, match="7 samples were asked for, these samples has 6"):
        as_split(BYTES, LABELS, samples=7)


class TestDigest:
    split = Split(torch.from_numpy(UNIT), torch.from_numpy(LABELS), torch.arange(6))

    def test_does_not_depend_on_process_or_memory(self):
        channels_last = Split(
            self.split.images.to(memory_format=torch.channels_last), self.split.labels, self.split.ids, "else"
        )
        assert channels_last.digest() == self.split.digest() == "9af39278f6eaa00f1f8894b6"

    @pytest.mark.parametrize("change", ["images", "labels", "ids", "order", "shape"])
    def test_follows_every_change(self, change):
        images, labels, ids = self.split.images.clone(), self.split.labels.clone(), self.split.ids.clone()
        if change == "images":
            images[5, 2, 7, 9] = torch.nextafter(images[5, 2, 7, 9], torch.tensor(2.0))
        elif change == "order":
            images, labels, ids = images.flip(0), labels.flip(0), ids.flip(0)
        elif change == "shape":
            images = images.reshape(6, 3, 10, 8)
        else:
            {"labels": labels, "ids": ids}[change][3] += 1
        assert Split(images, labels, ids).digest() != self.split.digest()


def test_no_foreign_error_from_any_pair_of_wrong_things():
    nothing, arrays = [None, [], [[]], [None], {}], [np.zeros(3), np.zeros((2, 2), object), torch.zeros(0)]
    things = [*nothing, *arrays, 3, "x", object(), Path("x")]
    for x in things:
        for y in [*things, [0, 1, 2]]:
            with pytest.raises(FrontdefError):
                as_split(x, y)
