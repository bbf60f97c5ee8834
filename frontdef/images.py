"""The check at the door: images and labels that break the contract are named before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from frontdef.errors import ImageError


def as_images(images: Any, image_shape: Sequence[int] | None = None) -> Tensor:
    """Return images as a contiguous float32 tensor in [0,1], or say what is wrong with them.

    float64 and non-contiguous arrays are converted, because nothing is lost; integer images are refused, because
    only their owner knows whether they mean 0–255.

    Args:
        images: An array or tensor ``(N,C,H,W)``.
        image_shape: The ``(C,H,W)`` that is expected, if it is known.

    Raises:
        ImageError: Wrong rank or shape, integer type, NaN or infinite values, values outside [0,1], no image.
    """
    tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    check_tensor(tensor, image_shape)
    if len(tensor) == 0:
        raise ImageError("0 images were given; at least 1 is needed")
    tensor = tensor.detach().to(torch.float32).contiguous()
    check_range(tensor, 0.0, 1.0, "images are in [0,1]")
    return tensor


def as_labels(labels: Any, n_images: int, n_classes: int) -> Tensor:
    """Return class indices as int64 ``(N,)``, or say what is wrong with them.

    Raises:
        ImageError: One-hot or wrong shape, another count than images, not integers, or outside 0…n_classes-1.
    """
    tensor = labels if isinstance(labels, Tensor) else torch.as_tensor(np.asarray(labels))
    if tensor.ndim != 1 or len(tensor) != n_images:
        raise ImageError(
            f"labels are class indices of shape ({n_images},), one an image; got shape {tuple(tensor.shape)}"
            + (" (one-hot labels: use labels.argmax(1))" if tensor.ndim == 2 else "")
        )
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ImageError(f"labels are integers, got {tensor.dtype}")
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0 or high >= n_classes:
        raise ImageError(f"labels are in 0…{n_classes - 1} for {n_classes} classes, got {low}…{high}")
    return tensor.long()


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
        found = f"values in [{smallest:.4g}, {largest:.4g}]" if finite else "NaN or infinite values"
        hint = "; divide 0–255 pixels by 255, and normalize inside the classifier" if finite else ""
        raise ImageError(f"{rule}, got {found}{hint}")
