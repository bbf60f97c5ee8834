"""Data that a Python user has in hand, brought to a `Split`: arrays, tensors, pairs, or a torch ``Dataset``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from frontdef.config import build
from frontdef.datasets.arrays import KEYS, keys_of
from frontdef.datasets.items import Pairs, as_pairs, read_items
from frontdef.datasets.labels import number_labels
from frontdef.datasets.pixels import from_pixels
from frontdef.datasets.preparation import Preparation
from frontdef.datasets.record import Split, draw
from frontdef.errors import ConfigError, ImageError
from frontdef.images import as_labels, as_tensor


def as_split(
    data: Any,
    y: Any = None,
    *,
    layout: str | None = None,
    classes: Sequence[str] | None = None,
    resize: int | tuple[int, int] | None = None,
    crop: int | tuple[int, int] | None = None,
    interpolation: str = "bilinear",
    mode: str | None = None,
    samples: int | None = None,
    seed: int = 0,
    name: str = "these samples",
) -> Split:
    """Bring images and labels to what every attack here gets, or say what is wrong with them.

    Nothing is changed in what was given: the split has its own memory. What loses nothing is converted: uint8 to [0,1],
    bool, float16 and float64 to float32, another byte order, negative strides, tensors of another device. All else is
    refused with the line that mends it.

    Args:
        data: Images, with ``y``; a pair ``(x, y)``; a mapping with ``x`` and ``y`` (and ``layout``, ``classes``); a
            map-style torch ``Dataset`` or list of pairs (image, label), whose own transforms apply; or a `Split`.
            Images are arrays or tensors, uint8 of 0–255 or floats in [0,1], or Pillow's.
        y: Labels ``(N,)``: class indices, or names, which are numbered.
        layout: Axes of arrays and tensors, ``NCHW``, ``NHWC`` or ``NHW``; None takes NCHW, unless the shape looks like
            another. Of a Dataset's items it is said with the N that they lack.
        classes: Names in the order of the model's outputs; None numbers names in alphabetical order.
        resize: Shorter side, or (height, width), of uint8 and Pillow's images.
        crop: Side, or (height, width), of what is cut out of the center.
        interpolation: How resize does it, as Pillow calls it.
        mode: Convert Pillow's images: ``L`` or ``RGB``.
        samples: How many to draw at random; None takes all. Of a Dataset only these are read.
        seed: Decides which, and what random transforms of a Dataset do.
        name: What messages call it.

    Returns:
        float32 ``(N,C,H,W)`` in [0,1], labels and ids int64 ``(N,)``; ids are positions in the data.

    Raises:
        ConfigError: A size or count that is not allowed.
        DataError: A Dataset whose item raises, or images that don't fit into memory.
        ImageError: Images or labels that break the contract.
        UnknownNameError: A layout, or a class that ``classes`` lacks.
    """
    options = {"resize": resize, "crop": crop, "interpolation": interpolation, "mode": mode}
    preparation = build(Preparation, options, "as_split")
    if isinstance(data, Split):
        if y is not None or preparation or layout or classes:
            raise ConfigError("a Split is ready as it is: only samples and seed can be said of it")
        return data.take(samples, seed)
    if isinstance(data, Mapping) and y is None:
        layout = layout or _word(data.get("layout"))
        classes = data.get("classes") if classes is None else classes
        data, y = _from_mapping(data, name)
    if isinstance(data, tuple) and len(data) == 2 and y is None:
        data, y = data
    pairs = as_pairs(data, y, preparation, layout, name)
    if pairs is None:
        return _from_arrays(data, y, layout, classes, samples, seed, name)
    rows = range(len(pairs)) if samples is None else draw(len(pairs), samples, seed, name)
    images, raw = read_items(pairs, list(map(int, rows)), preparation, seed, name)
    return _split(images, raw, _names_of(pairs, raw) if classes is None else classes, rows, name)


def _from_arrays(
    x: Any, y: Any, layout: str | None, classes: Sequence[str] | None, samples: int | None, seed: int, name: str
) -> Split:
    if y is None:
        raise ImageError(f"{name}: labels are needed: give (x, y), or a Dataset of pairs (image, label)")
    tensor = as_tensor(x)
    if tensor.ndim == 0:
        raise ImageError(f"images have the shape (N,C,H,W), got one number of type {tensor.dtype}")
    labels = _flat(y)
    if len(labels) != len(tensor):
        raise ImageError(f"{len(tensor)} images and {len(labels)} labels were given; there is one label an image")
    rows = np.arange(len(tensor))
    if samples is not None:
        # The names of classes come from all labels, so that a sample has the numbers of the whole.
        labels, classes = number_labels(labels, classes)
        rows = draw(len(tensor), samples, seed, name)
        tensor, labels = tensor[torch.from_numpy(rows).to(tensor.device)], as_labels(labels, len(labels))[rows]
    images = from_pixels(tensor, layout).cpu()
    if images.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr():
        images = images.clone()
    return _split(images, labels, classes, rows, name)


def _split(images: Tensor, labels: Any, classes: Sequence[str] | None, rows: Any, name: str) -> Split:
    numbers, names = number_labels(_flat(labels), classes)
    n_classes = len(names) or None
    checked = as_labels(numbers, len(images), n_classes).cpu().clone()
    return Split(images, checked, torch.as_tensor(np.asarray(rows), dtype=torch.int64), name, names)


def _flat(labels: Any) -> Any:
    """Labels as an array or tensor, a column ``(N,1)`` made flat: nothing is lost, and nothing else can be meant."""
    if not isinstance(labels, Tensor):
        try:
            labels = np.asarray(labels)
        except (ValueError, TypeError, RuntimeError):
            raise ImageError("labels are one integer or name an image; these are of different shapes") from None
    if labels.ndim == 0:
        raise ImageError("labels are class indices of shape (N,), one an image; got one value")
    return labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _from_mapping(data: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    pair = keys_of(data, "test")
    if pair is None:
        expected = " or ".join(" and ".join(names) for names in KEYS["test"])
        raise ImageError(
            f"{name}: a mapping has the keys {expected}; this one has {', '.join(map(str, data)) or 'none'}"
        )
    return data[pair[0]], data[pair[1]]


def _word(value: Any) -> str | None:
    return None if value is None else str(np.asarray(value)[()])


def _names_of(pairs: Pairs, labels: Sequence[Any]) -> Sequence[str] | None:
    """The names that a Dataset has, unless its labels were made others by a transform of theirs."""
    highest = max((label for label in labels if isinstance(label, int)), default=-1)
    return None if pairs.classes is None or highest >= len(pairs.classes) else pairs.classes
