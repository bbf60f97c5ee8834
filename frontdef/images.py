"""The check at the door: images and labels that break the contract are named before any work is done."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from frontdef.errors import ImageError

_RAGGED = "images have different shapes, so they are no array (N,C,H,W): resize or crop them"


def as_tensor(images: Any) -> Tensor:
    """Return images as a dense tensor of a native type, values unchanged, or say why they can't be one.

    Another byte order, negative strides and gaps are copied away, because nothing is lost.

    Args:
        images: An array, a tensor, or nested lists of one shape.

    Raises:
        ImageError: Objects, text or complex numbers, rows of different lengths, masked or sparse values.
    """
    if isinstance(images, list | tuple) and images and all(isinstance(image, Tensor) for image in images):
        if len({image.shape for image in images}) > 1:
            raise ImageError(_RAGGED)
        images = torch.stack(list(images))
    if isinstance(images, Tensor):
        if images.layout != torch.strided or images.is_quantized:
            raise ImageError(f"images are dense tensors, got {images.layout} {images.dtype}: give images.to_dense()")
        return images
    if isinstance(images, np.ma.MaskedArray) and np.ma.is_masked(images):
        raise ImageError("some pixels of this masked array are masked: fill them first, with images.filled(0)")
    try:
        array = np.asarray(images)
    except (ValueError, TypeError, RuntimeError):
        raise ImageError(_RAGGED) from None
    if array.dtype.kind not in "buif":
        hint = " (arrays of objects are usually images of different shapes)" if array.dtype.kind == "O" else ""
        raise ImageError(f"images are numbers, got an array of type {array.dtype}{hint}")
    if array.dtype.itemsize > 8:
        raise ImageError(f"images of type {array.dtype} have no torch type: use images.astype('float32')")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape))


def as_images(images: Any, image_shape: Sequence[int] | None = None) -> Tensor:
    """Return images as a contiguous float32 tensor in [0,1], or say what is wrong with them.

    float64 is rounded to float32, which is what every network here computes in; integer images are refused, because
    only their owner knows whether they mean 0–255 (`frontdef.datasets.as_split` is for those).

    Args:
        images: An array or tensor ``(N,C,H,W)``.
        image_shape: The ``(C,H,W)`` that is expected, if it is known.

    Raises:
        ImageError: Wrong rank or shape, integer type, NaN or infinite values, values outside [0,1], no image, or
            what `as_tensor` refuses.
    """
    tensor = as_tensor(images)
    check_tensor(tensor, image_shape)
    if len(tensor) == 0:
        raise ImageError("0 images were given; at least 1 is needed")
    tensor = tensor.detach().to(torch.float32).contiguous()
    check_range(tensor, 0.0, 1.0, "images are in [0,1]")
    return tensor


def as_labels(labels: Any, n_images: int, n_classes: int | None = None) -> Tensor:
    """Return class indices as int64 ``(N,)``, or say what is wrong with them.

    Args:
        labels: An array, tensor or list.
        n_images: How many there must be.
        n_classes: Number of classes; None where it is not known.

    Raises:
        ImageError: One-hot or wrong shape, another count than images, not integers, or outside 0…n_classes-1.
    """
    tensor = _integers(labels) if not isinstance(labels, Tensor) else labels
    if tensor.ndim != 1 or len(tensor) != n_images:
        raise ImageError(
            f"labels are class indices of shape ({n_images},), one an image; got shape {tuple(tensor.shape)}"
            + (_shape_hint(tensor) if tensor.ndim == 2 else "")
        )
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ImageError(f"labels are integers, got {tensor.dtype}")
    tensor = tensor.long()
    if n_images == 0:
        return tensor
    low, high = int(tensor.min()), int(tensor.max())
    if n_classes is None and low < 0:
        raise ImageError(f"labels are class indices from 0, got {low}…{high}")
    if n_classes is not None and (low < 0 or high >= n_classes):
        raise ImageError(f"labels are in 0…{n_classes - 1} for {n_classes} classes, got {low}…{high}")
    return tensor


def _integers(labels: Any) -> Tensor:
    try:
        array = np.asarray(labels)
    except (ValueError, TypeError, RuntimeError):
        raise ImageError("labels are one integer an image; these are of different shapes or types") from None
    if array.dtype.kind in "iu":
        return torch.from_numpy(array.astype(np.int64))
    if array.dtype.kind not in "bf":
        raise ImageError(f"labels are integers, got an array of type {array.dtype}")
    return torch.from_numpy(array.astype(np.float64)) if array.dtype.kind == "f" else torch.from_numpy(array)


def _shape_hint(tensor: Tensor) -> str:
    return " (a column: use labels.ravel())" if tensor.shape[1] == 1 else " (one-hot labels: use labels.argmax(1))"


def check_tensor(tensor: Tensor, image_shape: Sequence[int] | None = None) -> None:
    """Check what a forward pass can check for nothing: type and shape.

    Raises:
        ImageError: Not floating point, not ``(N,C,H,W)``, or another ``(C,H,W)`` than expected.
    """
    if not tensor.is_floating_point():
        raise ImageError(
            f"images are float32 in [0,1], got {tensor.dtype}; for integer pixels in 0–255: images.float() / 255"
        )
    if tensor.ndim != 4:
        raise ImageError(f"images have the shape (N,C,H,W), got {tuple(tensor.shape)}")
    if image_shape is not None and tuple(tensor.shape[1:]) != tuple(image_shape):
        raise ImageError(
            f"images of shape (N,{','.join(map(str, image_shape))}) are expected, got {tuple(tensor.shape)}"
        )


def check_range(tensor: Tensor, low: float, high: float, rule: str) -> None:
    """Check that every value is finite and in ``[low, high]``.

    Raises:
        ImageError: With the rule and the values found.
    """
    if tensor.numel() == 0:
        return
    smallest, largest = (float(bound) for bound in torch.aminmax(tensor.detach()))
    if not low <= smallest or not largest <= high:
        finite = bool(torch.isfinite(tensor).all())
        values = f"values in [{smallest:.4g}, {largest:.4g}]" if finite else "NaN or infinite values"
        hint = "; divide 0–255 pixels by 255, and normalize inside the classifier" if finite else ""
        raise ImageError(f"{rule}, got {values}{hint}")
