"""``arrays:FILE.npz``: images and labels in a file of NumPy's, of which nothing is ever unpickled."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from frontdef.config import Config, build, field
from frontdef.datasets.files import digest_of, expand
from frontdef.datasets.forms import split_options
from frontdef.datasets.labels import number_labels
from frontdef.datasets.memory import check_memory
from frontdef.datasets.pixels import arrange, from_pixels
from frontdef.datasets.record import MAX_CLASSES, SPLITS, Dataset, Split, SplitName
from frontdef.errors import DataError, FrontdefError
from frontdef.images import as_labels
from frontdef.reading import open_file

KEYS: dict[SplitName, tuple[tuple[str, str], ...]] = {
    "test": (("x", "y"), ("x_test", "y_test"), ("test_images", "test_labels")),
    "train": (("x_train", "y_train"), ("train_images", "train_labels")),
}
"""Split → names of images and labels; the first pair that is there is read."""

LONGEST_HEADER = 65_536
"""Bytes of an array's header, which NumPy reads before it looks at it; format 2 allows for 4 GiB."""

T = TypeVar("T")


class ArrayOptions(Config):
    """What a file does not say itself."""

    layout: str | None = field(None, description="axes of the images: NCHW, NHWC or NHW")
    n_classes: int | None = field(
        None, ge=2, le=MAX_CLASSES, description="number of classes, where not all of them occur"
    )


def keys_of(names: Sequence[str] | Mapping[str, Any], split: SplitName) -> tuple[str, str] | None:
    """The names of a split's images and labels among those of a mapping; None where it has none."""
    return next((pair for pair in KEYS[split] if all(key in names for key in pair)), None)


def describe(place: str) -> Dataset:
    """Make a data set of a file.

    Args:
        place: ``FILE.npz``, relative to the current folder; fields of `ArrayOptions` may follow, as in
            ``FILE.npz@layout=NHWC``. They stand above the keys ``layout`` and ``n_classes`` of the file.

    Raises:
        ConfigError: Options that there are not, or outside their range.
        DataError: No such file, or none of NumPy's; keys that are missing; arrays that would have to be unpickled.
    """
    written, raw_options = split_options(place, "arrays")
    options = build(ArrayOptions, raw_options, f"arrays:{place}")
    path = expand(written, "arrays", "file")
    digest = digest_of(path, "arrays")
    try:
        return _describe(place, path, digest, options)
    except DataError:
        raise
    except FrontdefError as error:
        raise DataError(f"arrays:{place}: {error}") from None


@lru_cache(maxsize=8)
def _describe(place: str, path: Path, digest: str, options: ArrayOptions) -> Dataset:
    with _Archive(path) as archive:
        pairs = {split: keys_of(archive.names, split) for split in SPLITS}
        if pairs["test"] is None:
            raise DataError(
                f"{path} has no images and labels to test on: the keys are x and y (or x_test and y_test; x_train and "
                f"y_train to train on); it has {', '.join(archive.names) or 'none'}"
            )
        layout = options.layout or archive.text("layout")
        names = archive.names_of_classes()
        numbered = {split: number_labels(archive.labels(pair[1]), names) for split, pair in pairs.items() if pair}
        shape, dtype = archive.header(pairs["test"][0])
        image_shape = tuple(arrange(torch.empty(shape, device="meta"), layout).shape[1:])
        n_classes = options.n_classes or archive.number("n_classes")
    classes = numbered["test"][1]
    if any(classes != class_names for _, class_names in numbered.values()):
        raise DataError(f"{path}: training and test labels have different names; give both in the key 'classes'")
    if not n_classes:
        highest = [as_labels(labels, len(labels)).max() for labels, _ in numbered.values() if len(labels)]
        n_classes = len(classes) or 1 + int(max(highest, default=torch.tensor(0)))
    if not 1 <= n_classes <= MAX_CLASSES:
        raise DataError(
            f"{path}: {n_classes:,} classes are said, or are the highest label; there are 1…{MAX_CLASSES:,}"
        )
    if classes and len(classes) != n_classes:
        raise DataError(f"{path}: {n_classes} classes are said, and {len(classes)} are named")
    counts = {split: len(numbered[split][0]) if split in numbered else 0 for split in SPLITS}
    return Dataset(
        f"arrays:{place}",
        partial(load, path, digest, layout),
        (image_shape[0], image_shape[1], image_shape[2]),
        n_classes,
        n_train=counts["train"],
        n_test=counts["test"],
        summary=f"{sum(counts.values())} images ({dtype}) in {path}",
        revision=f"sha256 {digest[:16]}",
        classes=classes,
        reads_rows=True,
    )


def load(
    path: Path,
    digest: str,
    layout: str | None,
    split: SplitName,
    *,
    root: Path | None = None,
    download: bool = False,
    rows: np.ndarray | None = None,
) -> Split:
    """Load the images of a file; ids are positions in its arrays.

    Args:
        path: The file.
        digest: Hash of its content when it was described.
        layout: Axes of the images; None takes NCHW, unless the shape looks like another.
        split: ``train`` or ``test``.
        root: Not used: the path is part of the name.
        download: Not used.
        rows: Positions of those that are converted; None converts all.

    Raises:
        DataError: The file changed, is damaged, doesn't fit into memory, or its images and labels break the contract.
    """
    if digest_of(path, "arrays") != digest:
        raise DataError(f"{path} was changed while it was in use: run again")
    with _Archive(path) as archive:
        pair = keys_of(archive.names, split)
        assert pair is not None
        images, labels = (archive.read(key) for key in pair)
        names = archive.names_of_classes()
    if len(images) != len(labels):
        raise DataError(f"{path}: {pair[0]} has {len(images)} images, {pair[1]} has {len(labels)} labels")
    ids = np.arange(len(images)) if rows is None else np.asarray(rows)
    try:
        numbers, _ = number_labels(labels, names)
        pixels = from_pixels(images if rows is None else images[ids], layout)
        return Split(pixels, as_labels(numbers, len(images))[torch.from_numpy(ids)], torch.from_numpy(ids))
    except DataError:
        raise
    except FrontdefError as error:
        raise DataError(f"{path}: {error}") from None


class _Archive:
    """The arrays of an npz file. Their headers are read first: what they promise must fit into memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.zip = self._try(lambda: zipfile.ZipFile(open_file(path)), "it is no npz file (numpy.savez writes one)")
        self.names = [name[:-4] for name in self.zip.namelist() if name.endswith(".npy")]

    def __enter__(self) -> _Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    def header(self, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of an array, refused where it holds objects or can't fit into memory."""

        def read() -> tuple[tuple[int, ...], np.dtype[Any]]:
            with self.zip.open(f"{key}.npy") as file:
                start = file.read(12)
            length = int.from_bytes(start[8 : 10 if start[6:7] == b"\x01" else 12], "little")
            if length > LONGEST_HEADER:
                raise ValueError(f"its header has {length:,} bytes")
            with self.zip.open(f"{key}.npy") as file:
                version = np.lib.format.read_magic(file)
                reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                shape, _, dtype = reader[version](file)
                return shape, dtype

        shape, dtype = self._try(read, f"{key} is no array of numbers or text")
        if dtype.hasobject:
            raise DataError(
                f"{self.path}: {key} is an array of objects, which would have to be unpickled: nothing is, here. Save "
                "numbers or text, as in numpy.savez(FILE, x=np.stack(images), y=np.array(labels, dtype=str))"
            )
        if any(side < 0 for side in shape):
            raise DataError(f"{self.path}: {key} has the shape {shape}")
        # Of numbers what they take as float32 counts, of texts what they take themselves.
        texts = (dtype.itemsize // 4,) if dtype.itemsize > 8 else ()
        check_memory(math.prod(shape[:1]), (*shape[1:], *texts), f"{self.path}, {key}")
        return shape, dtype

    def read(self, key: str) -> np.ndarray:
        """An array."""
        self.header(key)

        def read() -> np.ndarray:
            with self.zip.open(f"{key}.npy") as file:
                return np.lib.format.read_array(file, allow_pickle=False)

        return self._try(read, f"{key} is damaged")

    def names_of_classes(self) -> list[str] | None:
        """Names in the order of the model's outputs, or None where the file has none."""
        if "classes" not in self.names:
            return None
        names = self.read("classes")
        if names.ndim != 1:
            raise DataError(f"{self.path}: classes is one name a class, got the shape {names.shape}")
        return [str(name) for name in names]

    def labels(self, key: str) -> np.ndarray:
        """Labels, which have an axis."""
        labels = self.read(key)
        if labels.ndim == 0:
            raise DataError(f"{self.path}: {key} is one label an image, got one value")
        return labels

    def text(self, key: str) -> str | None:
        """A word, or None where there is no such key."""
        return str(self.read(key)[()]) if key in self.names else None

    def number(self, key: str) -> int | None:
        """An integer, or None where there is no such key."""
        if key not in self.names:
            return None
        value = self.read(key)
        if value.size != 1 or value.dtype.kind not in "iu":
            raise DataError(f"{self.path}: {key} is one integer, got {value.dtype} of shape {value.shape}")
        return int(value.item())

    def _try(self, action: Callable[[], T], problem: str) -> T:
        try:
            return action()
        except Exception as error:  # what the bytes lead zipfile and numpy to: zlib.error, EOFError, KeyError
            reason = str(error) or type(error).__name__
            raise DataError(f"cannot read {self.path}: {problem} ({reason})") from None
