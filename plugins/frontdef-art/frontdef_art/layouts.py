"""How frontdef's ``(N,C,H,W)`` images are laid out for a preprocessor of ART, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ArrayLayout:
    """A layout of image arrays.

    Args:
        pack: ``(N,C,H,W)`` to what the preprocessor takes.
        unpack: What it returns, and the shape ``(N,C,H,W)`` that went in, to ``(N,C',H,W)``.
    """

    pack: Callable[[Array], Array]
    unpack: Callable[[Array, tuple[int, ...]], Array]


CHANNELS_FIRST = ArrayLayout(pack=lambda images: images, unpack=lambda result, shape: result)

CHANNELS_LAST = ArrayLayout(
    pack=lambda images: np.ascontiguousarray(images.transpose(0, 2, 3, 1)),
    unpack=lambda result, shape: result.transpose(0, 3, 1, 2),
)
"""For a preprocessor without ``channels_first``, which takes any image for ``(H,W,C)``."""


def _unpack_pixels(result: Array, shape: tuple[int, ...]) -> Array:
    n, _, height, width = shape
    return result.reshape(n, height, width, -1).transpose(0, 3, 1, 2)


PIXELS = ArrayLayout(pack=lambda images: images.transpose(0, 2, 3, 1).reshape(1, -1), unpack=_unpack_pixels)
"""All values as the channels of one pixel: for an encoding of single values, which ART calls in Python once a pixel."""
