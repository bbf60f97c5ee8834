"""A user's pixels: bytes or fractions, channels first or last, brought to what every image here is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from frontdef.errors import ImageError, UnknownNameError
from frontdef.images import as_images, as_tensor

LAYOUTS: dict[str, tuple[int, ...]] = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 3, 1, 2), "NHW": (0, 1, 2)}
"""Order of axes → where each of NCHW stands in it; NHW has no axis of channels and gets one."""

CHANNEL_COUNTS = (1, 3)
"""What an axis of channels usually has; used to suspect an order of axes, never to guess one."""


def from_pixels(images: Any, layout: str | None = None) -> Tensor:
    """Return a user's images as `as_images` does, from pixels of 0–255 in uint8 or numbers in [0,1].

    Args:
        images: An array or tensor: uint8 is divided by 255; bool and floating-point numbers stand for themselves.
        layout: Its axes, a key of `LAYOUTS`; None takes NCHW, unless the shape looks like another.

    Raises:
        ImageError: What `as_tensor` and `as_images` refuse, other integers, an order of axes that isn't clear, or
            pixels of 0 and 1 in uint8.
        UnknownNameError: Not a layout.
    """
    tensor = arrange(as_tensor(images), layout)
    if tensor.dtype == torch.bool:
        tensor = tensor.float()
    elif tensor.dtype == torch.uint8:
        if tensor.numel() and int(tensor.max()) == 1:
            raise ImageError(
                "uint8 images are pixels of 0–255, and the largest here is 1: give values of [0,1] as float32, or "
                "multiply by 255"
            )
        tensor = tensor.float() / 255
    elif not tensor.is_floating_point() and not tensor.is_complex():
        raise ImageError(
            f"images are uint8 (0–255) or floats in [0,1], got {tensor.dtype}, whose white is not known: "
            "images.astype('uint8') for pixels of 0–255, (images / 65535).astype('float32') for 16 bits"
        )
    return as_images(tensor)


def arrange(tensor: Tensor, layout: str | None) -> Tensor:
    """Bring the axes into the order NCHW, pixels unchanged.

    Args:
        tensor: Of any type.
        layout: Its axes, a key of `LAYOUTS`; None takes NCHW, unless the shape looks like another.

    Raises:
        ImageError: Another number of axes than the layout has, or an order that isn't clear.
        UnknownNameError: Not a layout.
    """
    shape = tuple(tensor.shape)
    if layout is None:
        if tensor.ndim == 3:
            raise ImageError(
                f"images have the shape (N,C,H,W), got {shape}: for one image add the first axis (x[None]), for gray "
                "images without an axis of channels say layout='NHW'"
            )
        if tensor.ndim == 4 and shape[3] in CHANNEL_COUNTS and shape[1] not in CHANNEL_COUNTS:
            raise ImageError(
                f"images of shape {shape} look like (N,H,W,C), and (N,C,H,W) is read where nothing is said: say "
                "layout='NHWC', or 'NCHW' if they are what they are"
            )
        layout = "NCHW"
    if layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, LAYOUTS)
    if tensor.ndim != len(layout):
        raise ImageError(f"images of layout {layout} have {len(layout)} axes, got the shape {shape}")
    arranged = tensor.permute(*LAYOUTS[layout])
    return arranged if layout != "NHW" else arranged.unsqueeze(1)
