"""How pictures of any size become images of one: said by their owner, done as torchvision does it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from frontdef.config import Config, field
from frontdef.errors import ImageError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 64_000_000
"""Of one image, 8000x8000: a file of a few kilobytes can hold a picture that fills the memory."""


def _size(value: Any) -> Any:
    """``256`` → (256,), ``224x160`` → (224, 160); anything else is left to pydantic."""
    if isinstance(value, int | str):
        value = str(value).split("x")
    if value is not None and len(value) > 2:
        raise ValueError("a size is one number (256), or height x width (224x160)")
    return value


Size = Annotated[tuple[Annotated[int, field(ge=1, le=8000)], ...] | None, BeforeValidator(_size)]


class Preparation(Config):
    """What is done to each picture, in this order: mode, resize, crop."""

    mode: Literal["L", "RGB"] | None = field(None, description="convert to 8-bit gray (L) or RGB")
    resize: Size = field(None, description="the shorter side in pixels, or height x width")
    crop: Size = field(None, description="side of the square, or height x width, that is cut out of the center")
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"] = field(
        "bilinear", description="how resize interpolates"
    )

    def __bool__(self) -> bool:
        return any(value is not None for value in (self.mode, self.resize, self.crop))

    def apply(self, image: Image) -> Image:
        """Convert, resize and crop a picture, as torchvision's Resize and CenterCrop do.

        Raises:
            ImageError: Smaller than what is to be cut out; torchvision would add a black border.
            MissingExtraError: torchvision is not installed.
        """
        if self.mode is not None and image.mode != self.mode:
            image = image.convert(self.mode)
        if self.resize is None and self.crop is None:
            return image
        try:
            from torchvision.transforms import InterpolationMode, functional
        except ImportError:
            raise MissingExtraError("resizing and cropping", "torchvision") from None
        if self.resize is not None:
            self._check_resized(image)
            image = functional.resize(image, list(self.resize), InterpolationMode(self.interpolation))
        if self.crop is not None:
            height, width = self.crop if len(self.crop) == 2 else self.crop * 2
            if height > image.height or width > image.width:
                raise ImageError(
                    f"crop={height}x{width} is larger than the image, which has height x width "
                    f"{image.height}x{image.width}: resize it first, or cut out less"
                )
            image = functional.center_crop(image, [height, width])
        return image

    def _check_resized(self, image: Image) -> None:
        """A strip of one pixel's height becomes a wall when its shorter side is brought to 256."""
        assert self.resize is not None
        short, long = sorted((image.width, image.height))
        area = math.prod(self.resize) if len(self.resize) == 2 else self.resize[0] ** 2 * long // short
        if area > MAX_PIXELS:
            raise ImageError(
                f"resize={'x'.join(map(str, self.resize))} makes {area:,} pixels of an image of {image.width}x"
                f"{image.height}, more than {MAX_PIXELS:,}"
            )
