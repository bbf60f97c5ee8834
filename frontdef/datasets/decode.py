"""Image files, decoded by Pillow: bounded before they are read, and any damage is an error of ours."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.datasets.preparation import MAX_PIXELS, Preparation
from frontdef.errors import DataError, ImageError, MissingExtraError
from frontdef.reading import open_file

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

CHANNELS: dict[str, int] = {"L": 1, "RGB": 3}
"""Pillow's mode → channels; any other mode would have to be converted, which changes or loses something."""


FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's decoders that are tried. Others start programs (EPS: Ghostscript), fetch parts, or serve no data set."""


def decode(path: Path, preparation: Preparation | None = None) -> np.ndarray:
    """Read an image file.

    Args:
        path: The file.
        preparation: How to resize and crop it; None leaves it as it is.

    Returns:
        uint8, ``(H,W)`` for gray or ``(H,W,3)``.

    Raises:
        DataError: It can't be decoded, has more than `MAX_PIXELS`, or is neither 8-bit gray nor RGB.
        MissingExtraError: Pillow is not installed.
    """
    image = _open(path)
    try:
        return pixels_of(image, preparation)
    except ImageError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # Pillow's plugins raise what they like: OSError, SyntaxError, zlib.error, struct.error
        raise _undecodable(path, error) from None


def pixels_of(image: Image, preparation: Preparation | None = None) -> np.ndarray:
    """The pixels of an image of Pillow's.

    Args:
        image: Opened, read or not.
        preparation: How to convert, resize and crop it; None leaves it as it is.

    Returns:
        uint8, ``(H,W)`` for gray or ``(H,W,3)``.

    Raises:
        ImageError: More than `MAX_PIXELS`, neither 8-bit gray nor RGB, or smaller than what is to be cut out.
    """
    import numpy as np

    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"the image has {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}: it was not decoded. Make it "
            "smaller, or remove it"
        )
    if preparation is not None:
        image = preparation.apply(image)
    if image.mode not in CHANNELS:
        raise ImageError(
            f"the image has Pillow's mode {image.mode!r}; 8-bit gray ('L') or 'RGB' is needed: convert it, or say "
            "mode=RGB or mode=L"
        )
    return np.asarray(image)


def size_of(pixels: np.ndarray) -> str:
    """Width, height and kind of an image, for messages."""
    return f"{pixels.shape[1]}x{pixels.shape[0]} {'gray' if pixels.ndim == 2 else 'RGB'}"


def _open(path: Path) -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError("reading image files", "pillow") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own bound is lower
            return Image.open(open_file(path), formats=FORMATS)
    except Exception as error:
        raise _undecodable(path, error) from None


def _undecodable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be decoded: {error or type(error).__name__}. Replace it or remove it")
