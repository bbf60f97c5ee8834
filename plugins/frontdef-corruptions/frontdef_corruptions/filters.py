"""Linear filters that several corruptions share, batched."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F


def smooth(x: Tensor, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> Tensor:
    """Gaussian smoothing of the last two axes, as `scipy.ndimage.gaussian_filter` does it.

    Args:
        x: ``(…,H,W)``.
        sigma: Standard deviation, pixels; 0 changes nothing.
        mode: SciPy's extension past the border.
        truncate: Where the kernel ends, in standard deviations.
    """
    if sigma == 0:
        return x
    rows, columns = (_smoother(size, sigma, mode, truncate) for size in x.shape[-2:])
    return (rows @ x.double() @ columns.mT).to(x.dtype)


@lru_cache(maxsize=64)
def _smoother(size: int, sigma: float, mode: str, truncate: float) -> Tensor:
    # SciPy applied to the identity is the matrix of its filter, border included.
    with torch.inference_mode(False):
        return torch.from_numpy(ndimage.gaussian_filter1d(np.eye(size), sigma, axis=0, mode=mode, truncate=truncate))


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """The same odd-sized kernel on every channel; the border is mirrored without repeating it.

    Args:
        x: ``(N,C,H,W)``, larger than half the kernel.
        kernel: ``(2r+1,2r+1)``.
    """
    radius = len(kernel) // 2
    padded = F.pad(x, (radius,) * 4, mode="reflect")
    return F.conv2d(padded.flatten(0, 1).unsqueeze(1), kernel.to(x)[None, None]).view_as(x)


def disk(radius: float, alias_blur: float) -> Tensor:
    """A disk of total weight 1, its edge softened by a 3x3 Gaussian (5x5 for radii above 8); ``(2r+1,2r+1)``.

    Args:
        radius: Pixels; the grid points within it are the disk.
        alias_blur: Standard deviation of the Gaussian, pixels.
    """
    soft = 1 if radius <= 8 else 2
    reach = math.floor(radius) + soft
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    inside = (offsets[:, None].square() + offsets.square() <= radius**2).double()
    bell = torch.exp(-torch.arange(-soft, soft + 1, dtype=torch.float64).square() / (2 * alias_blur**2))
    bell = torch.outer(bell, bell) / bell.sum() ** 2
    return F.conv2d((inside / inside.sum())[None, None], bell[None, None], padding=soft)[0, 0]


def drag(x: Tensor, radius: float, sigma: float, angles: Tensor) -> Tensor:
    """Motion blur: each pixel is a mean of those that lie in one direction, by half a bell.

    As ImageMagick's ``MotionBlurImage``: 2r+1 weights ``exp(−i²/(2σ²))``, the i-th on the pixel nearest to a distance
    of i; the border is repeated.

    Args:
        x: ``(N,C,H,W)``.
        radius: r, pixels, rounded.
        sigma: σ, pixels.
        angles: Directions, one an image, degrees ``(N,)``; 0 looks along the rows, to the right.
    """
    n, channels, height, width = x.shape
    steps = torch.arange(2 * round(radius) + 1, dtype=torch.float64)
    bell = torch.exp(-steps.square() / (2 * sigma**2))
    weights = (bell / bell.sum()).tolist()
    radians = angles.double().deg2rad()[:, None]
    # ImageMagick rounds halves down.
    right, down = (torch.ceil(steps * side - 0.5).long() for side in (radians.cos(), radians.sin()))
    rows, columns = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]
    result = torch.zeros_like(x)
    for i, weight in enumerate(weights):
        source_rows = (rows + down[:, i, None, None]).clamp(0, height - 1)
        source_columns = (columns + right[:, i, None, None]).clamp(0, width - 1)
        source = (source_rows * width + source_columns).flatten(1)[:, None].expand(n, channels, -1)
        result += weight * x.flatten(2).gather(2, source).view_as(x)
    return result


def zoom(x: Tensor, factor: float) -> Tensor:
    """The middle of an image, magnified to the image's size, linearly.

    A square of ⌈side/factor⌉ around the middle is magnified as `scipy.ndimage.zoom` does it at order 1 (corner pixels
    stay corner pixels), and its middle is kept.

    Args:
        x: ``(N,C,H,W)``.
        factor: At least 1.
    """
    sizes = x.shape[-2:]
    inner = [math.ceil(size / factor) for size in sizes]
    top, left = ((size - length) // 2 for size, length in zip(sizes, inner, strict=True))
    cropped = x[..., top : top + inner[0], left : left + inner[1]]
    outer = [round(length * factor) for length in inner]
    larger = F.interpolate(cropped, size=outer, mode="bilinear", align_corners=True)
    top, left = ((length - size) // 2 for size, length in zip(sizes, outer, strict=True))
    return larger[..., top : top + sizes[0], left : left + sizes[1]]
