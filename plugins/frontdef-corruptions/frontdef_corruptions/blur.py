"""Blur: neighbors run into each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from frontdef_corruptions import filters
from frontdef_corruptions.corruption import Corruption


def defocus(x: Tensor, level: tuple[float, float], draws: Generator, pixel: float) -> Tensor:
    """Convolution with a disk; level: its radius, and the softness of its edge, pixels."""
    radius, softness = level
    return filters.convolve(x, filters.disk(radius * pixel, softness))


def gaussian(x: Tensor, sigma: float, draws: Generator, pixel: float) -> Tensor:
    """Convolution with a Gaussian of standard deviation σ, pixels."""
    return filters.smooth(x, sigma * pixel)


def glass(x: Tensor, level: tuple[float, int, int], draws: Generator, pixel: float) -> Tensor:
    """Frosted glass: Gaussian blur, pixels swap places with near ones, Gaussian blur.

    Level: σ of the blurs, pixels; δ, a pixel swaps with one that is −δ to δ−1 away in each direction; rounds over the
    image. A round goes from the lower right to the upper left and leaves a margin of δ; the channels stay together.
    """
    sigma, reach, rounds = level
    reach = max(1, round(reach * pixel))
    n, channels, height, width = x.shape
    places = torch.arange(height * width).repeat(n, 1)
    images = torch.arange(n)
    targets = [(row, column) for row in range(height - reach, reach, -1) for column in range(width - reach, reach, -1)]
    shifts = torch.randint(-reach, reach, (rounds * len(targets), 2, n), generator=draws)
    for (row, column), (down, right) in zip(targets * rounds, shifts, strict=True):
        here = row * width + column
        there = (row + down) * width + column + right
        moved = places[:, here].clone()
        places[:, here] = places[images, there]
        places[images, there] = moved
    blurred = filters.smooth(x, sigma * pixel)
    shuffled = blurred.flatten(2).gather(2, places[:, None].expand(n, channels, -1)).view_as(x)
    return filters.smooth(shuffled, sigma * pixel)


def motion(x: Tensor, level: tuple[int, float], draws: Generator, pixel: float) -> Tensor:
    """Motion blur in a direction of −45° to 45°; level: radius and σ of `filters.drag`, pixels."""
    radius, sigma = level
    angles = 90 * torch.rand(len(x), generator=draws) - 45
    return filters.drag(x, radius * pixel, sigma * pixel, angles)


def zoom(x: Tensor, end: float, draws: Generator, pixel: float) -> Tensor:
    """Mean of the image and of its magnifications by 1.00, 1.01, … up to an end.

    Rounding decides whether the end is one of them, and how large an image becomes, so they are counted with the
    function that the published data was made with.
    """
    factors = np.arange(1, end, 0.01).tolist()
    return (x + sum(filters.zoom(x, factor) for factor in factors)) / (len(factors) + 1)


BLUR = (
    Corruption("defocus-blur", "blur", defocus, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    Corruption("gaussian-blur", "blur", gaussian, (0.4, 0.6, 0.7, 0.8, 1.0)),
    Corruption("glass-blur", "blur", glass, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))),
    Corruption("motion-blur", "blur", motion, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    Corruption("zoom-blur", "blur", zoom, (1.06, 1.11, 1.16, 1.21, 1.26)),
)
