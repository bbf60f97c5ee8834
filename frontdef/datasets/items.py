"""Images that are read one by one: items of a map-style ``Dataset``, and pictures that are to be resized."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from frontdef.datasets.decode import pixels_of
from frontdef.datasets.memory import check_memory
from frontdef.datasets.pixels import arrange, from_pixels
from frontdef.datasets.preparation import Preparation
from frontdef.errors import DataError, FrontdefError, ImageError
from frontdef.images import as_tensor

IMAGE_KEYS = ("image", "img", "x")
LABEL_KEYS = ("label", "y")
"""What items that are mappings call their image and label."""


@dataclass(frozen=True)
class Pairs:
    """Images and labels that are read by position.

    Args:
        data: Has ``__getitem__`` and ``__len__``; of pairs, or of images where there are labels.
        labels: Labels, or None where the items hold them.
        layout: Axes of the images, N included.
        classes: Names of the classes, where the data have them.
    """

    data: Any
    labels: Any = None
    layout: str | None = None
    classes: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.data)

    def read(self, row: int) -> tuple[Any, Any]:
        """One image and its label."""
        item = self.data[row]
        if self.labels is not None:
            return item, self.labels[row]
        if isinstance(item, Mapping):
            keys = [next((key for key in names if key in item), None) for names in (IMAGE_KEYS, LABEL_KEYS)]
            if None not in keys:
                return item[keys[0]], item[keys[1]]
            raise ImageError(f"an item that is a mapping has 'image' and 'label'; it has {', '.join(map(str, item))}")
        if isinstance(item, tuple | list) and len(item) == 2:
            return item[0], item[1]
        raise ImageError(f"an item is a pair (image, label), got {type(item).__name__}; arrays are given as x, y")


def as_pairs(data: Any, y: Any, preparation: Preparation, layout: str | None, name: str) -> Pairs | None:
    """What must be read one by one, or None where the data are an array.

    Raises:
        ImageError: A ``DataLoader`` or iterable Dataset, labels beside a Dataset that has its own, or another count.
    """
    if isinstance(data, list | tuple) and data and _is_picture(data[0]):
        return Pairs(data, _labels_for(data, y, name), layout)
    if isinstance(data, list | tuple) and y is not None:
        data = as_tensor(data)
    if isinstance(data, np.ndarray | Tensor):
        if not preparation or y is None:
            return None
        tensor = arrange(as_tensor(data), layout)
        return Pairs(tensor, _labels_for(tensor, y, name), "NCHW")
    _check_map_style(data, y, name)
    return Pairs(data, None, layout, _classes(data))


def _check_map_style(data: Any, y: Any, name: str) -> None:
    kind = type(data).__name__
    if isinstance(data, str | bytes):
        raise ImageError(f"{name}: {data!r:.60} is text; frontdef.datasets.parse reads data sets by name")
    if isinstance(data, DataLoader):
        raise ImageError(f"{name}: a DataLoader was given; give its Dataset (loader.dataset)")
    if isinstance(data, IterableDataset | Iterator):
        raise ImageError(f"{name}: {kind} can only be gone through: give list(…), or a map-style Dataset")
    if isinstance(data, tuple) or not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        raise ImageError(f"{name}: images are arrays, tensors, (x, y) or a map-style Dataset, got {kind}")
    if y is not None:
        raise ImageError(f"{name}: the items of {kind} hold their labels: leave y out")


def read_items(
    pairs: Pairs, rows: Sequence[int], preparation: Preparation, seed: int, name: str
) -> tuple[Tensor, list[Any]]:
    """Read images and labels, with the global generators seeded, so that random transforms do the same each time.

    Args:
        pairs: What to read from.
        rows: Positions.
        preparation: What is done to Pillow's and uint8 images.
        seed: Of the generators, which are restored afterwards.
        name: What messages call it.

    Returns:
        float32 ``(N,C,H,W)`` in [0,1], and the labels as they are.

    Raises:
        DataError: An item raises, or the images don't fit into memory.
        ImageError: An item breaks the contract, or has another shape or type than the first.
    """
    images: list[Tensor] = []
    labels: list[Any] = []
    with seeded(seed):
        for row in rows:
            try:
                image, label = pairs.read(row)
                pixels = _pixels(image, preparation, pairs.layout)
            except FrontdefError as error:
                raise type(error)(f"item {row} of {name}: {error}") from None
            except Exception as error:
                raise DataError(f"item {row} of {name} raises {type(error).__name__}: {error}") from error
            if images and (pixels.shape, pixels.dtype) != (images[0].shape, images[0].dtype):
                raise ImageError(
                    f"all images of {name} have one shape and type: item {rows[0]} has {tuple(images[0].shape)} "
                    f"{images[0].dtype}, item {row} has {tuple(pixels.shape)} {pixels.dtype}. Say resize=… and crop=…, "
                    "or transform them in the Dataset"
                )
            if not images:
                check_memory(len(rows), pixels.shape, name)
            images.append(pixels)
            labels.append(_single(label))
    if not images:
        raise ImageError(f"{name}: 0 images were given; at least 1 is needed")
    return from_pixels(torch.stack(images), "NCHW"), labels


def _pixels(image: Any, preparation: Preparation, layout: str | None) -> Tensor:
    """One image ``(C,H,W)``, its numbers unchanged."""
    if not _is_picture(image):
        tensor = arrange(as_tensor(image)[None], layout)[0]
        if not preparation:
            return tensor.detach().cpu()
        image = _as_picture(tensor)
    decoded = torch.from_numpy(pixels_of(image, preparation).copy())
    return decoded[None] if decoded.ndim == 2 else decoded.permute(2, 0, 1)


def _as_picture(tensor: Tensor) -> Any:
    from PIL import Image

    if tensor.dtype != torch.uint8 or tensor.shape[0] not in (1, 3):
        raise ImageError(
            f"uint8 images of 1 or 3 channels are resized and cropped as pictures, got {tensor.dtype} "
            f"{tuple(tensor.shape)}: give uint8, or do it yourself, as with torchvision.transforms.v2.functional.resize"
        )
    pixels = tensor.cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _single(label: Any) -> Any:
    """A label out of the array or tensor that holds it alone."""
    if isinstance(label, Tensor):
        return label.item() if label.numel() == 1 else label.cpu()
    return label.item() if isinstance(label, np.ndarray | np.generic) and label.size == 1 else label


def _is_picture(image: Any) -> bool:
    """Whether it is Pillow's, which is not imported for it."""
    return any(cls.__module__ == "PIL.Image" and cls.__name__ == "Image" for cls in type(image).__mro__)


def _labels_for(images: Any, y: Any, name: str) -> Any:
    if y is None:
        raise ImageError(f"{name}: labels are needed: give (x, y), or a Dataset of pairs (image, label)")
    if not hasattr(y, "__len__") or len(y) != len(images):
        count = len(y) if hasattr(y, "__len__") else "no list of"
        raise ImageError(f"{len(images)} images and {count} labels were given; there is one label an image")
    return y if not hasattr(y, "tolist") else y.tolist()


def _classes(data: Any) -> Sequence[str] | None:
    """The names that torchvision's data sets have, also beneath a ``Subset``."""
    while not hasattr(data, "classes") and hasattr(data, "dataset"):
        data = data.dataset
    names = getattr(data, "classes", None)
    return names if isinstance(names, list | tuple) and all(isinstance(text, str) for text in names) else None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, and restore them afterwards."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
