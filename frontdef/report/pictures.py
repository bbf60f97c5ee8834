"""Arrays as PNG data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

LONGEST = 96
"""Larger images are reduced to this many pixels on their longer side."""

FACTORS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""By how much a perturbation may be magnified."""


def png(image: np.ndarray, longest: int = LONGEST) -> str:
    """Encode an image.

    Args:
        image: ``(C,H,W)`` in [0,1]; one channel is gray, three are RGB, other numbers become gray tiles in a row.
            Values that are not finite are drawn black.
        longest: Larger images are reduced to this many pixels on their longer side.

    Returns:
        A ``data:`` URI.
    """
    pixels = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if pixels.shape[0] not in {1, 3}:
        pixels = np.concatenate(list(pixels), axis=1)[None]
    gray = (pixels.clip(0, 1) * 255).round().astype(np.uint8)
    picture = Image.fromarray(gray[0]) if len(gray) == 1 else Image.fromarray(np.moveaxis(gray, 0, -1))
    if max(picture.size) > longest:
        picture.thumbnail((longest, longest), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def magnification(delta: np.ndarray) -> int:
    """The largest factor of `FACTORS` at which a perturbation still fits between black and white around mid-gray.

    Args:
        delta: Differences of pixel values, any shape.
    """
    largest = float(np.nan_to_num(np.abs(delta), nan=1.0, posinf=1.0).max(initial=0.0))
    return max((k for k in FACTORS if k * largest <= 0.5 + 1e-6), default=1)


def magnified(delta: np.ndarray, factor: int) -> np.ndarray:
    """A perturbation as an image: mid-gray is no change.

    Args:
        delta: Differences of pixel values, ``(C,H,W)``.
        factor: By how much to magnify it.
    """
    return np.asarray(np.clip(0.5 + factor * np.nan_to_num(delta), 0, 1))


def tiles(images: np.ndarray) -> np.ndarray:
    """Images in a row with one pixel of white between them.

    Args:
        images: ``(N,C,H,W)``, ``(C,H,W)`` or ``(H,W)``, in [0,1].

    Returns:
        ``(C,H,N·(W+1)−1)``.
    """
    batch = np.asarray(images, dtype=np.float32)
    batch = batch.reshape((1,) * (4 - batch.ndim) + batch.shape)
    padded = np.pad(batch, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=1.0)
    return np.concatenate(list(padded), axis=2)[:, :, :-1]
