"""Clouds: the plasma fractal of the diamond-square algorithm (Fournier, Fussell and Carpenter 1982), batched."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

WIBBLE = 100.0
"""Roughness of the coarsest scale; noise is uniform up to its square, so only the decay matters after scaling."""


def plasma(n: int, size: Sequence[int], decay: float, draws: Generator) -> Tensor:
    """Clouds that wrap around the border, each scaled to [0,1] before it is cropped.

    A grid of one point is refined until it is as fine as the pixels: the middle of four points gets their mean and
    uniform noise, then the middles between these. From one scale to the next, the noise shrinks by ``decay²``.

    Args:
        n: How many.
        size: Height and width; a square of the next power of two is made, at least 2.
        decay: At least 1; more is smoother.
        draws: Source of the noise.

    Returns:
        float32 ``(n,1,height,width)``.
    """
    side = 1 << max(1, (max(size) - 1).bit_length())
    cloud = torch.zeros(n, side, side)
    step, wibble = side, WIBBLE
    while step >= 2:
        half = step // 2
        corners = cloud[:, ::step, ::step]
        centers = _rough(_pair(_pair(corners, 1), 2), wibble, draws)
        cloud[:, half::step, half::step] = centers
        # The points above and below, or left and right, are corners in one case and centers in the other.
        above = _pair(corners, 2) + centers + centers.roll(1, dims=1)
        cloud[:, ::step, half::step] = _rough(above, wibble, draws)
        left = _pair(corners, 1) + centers + centers.roll(1, dims=2)
        cloud[:, half::step, ::step] = _rough(left, wibble, draws)
        step, wibble = half, wibble / decay
    low, high = cloud.amin(dim=(1, 2), keepdim=True), cloud.amax(dim=(1, 2), keepdim=True)
    return ((cloud - low) / (high - low))[:, None, : size[0], : size[1]]


def _pair(points: Tensor, axis: int) -> Tensor:
    """Each point and the next along an axis, added; the last with the first."""
    return points + points.roll(-1, dims=axis)


def _rough(sum_of_four: Tensor, wibble: float, draws: Generator) -> Tensor:
    noise = 2 * torch.rand(sum_of_four.shape, generator=draws) - 1
    return sum_of_four / 4 + wibble**2 * noise
