"""Weather, as far as it needs no photographs: frost does."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from frontdef_corruptions import filters
from frontdef_corruptions.corruption import Corruption
from frontdef_corruptions.plasma import plasma

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray (ITU-R BT.601)."""


def gray(x: Tensor) -> Tensor:
    """Luminance ``(N,1,H,W)`` of three channels, the mean of any other number."""
    if x.shape[1] == 3:
        return (x * x.new_tensor(LUMINANCE).view(-1, 1, 1)).sum(dim=1, keepdim=True)
    return x.mean(dim=1, keepdim=True)


def snow(x: Tensor, level: tuple[float, ...], draws: Generator, pixel: float) -> Tensor:
    """Flakes that were blown by the wind, over a paler image.

    Level: mean and standard deviation of a normal layer; its magnification; flakes are what is above the next number;
    radius and σ of their motion blur, pixels; share of the image that does not pale. The flakes are added twice, the
    second time turned by 180°.
    """
    mean, std, magnified, floor, radius, sigma, share = level
    n, _, height, width = x.shape
    layer = filters.zoom(mean + std * torch.randn((n, 1, height, width), generator=draws), magnified)
    flakes = torch.where(layer < floor, 0.0, layer).clamp(0, 1)
    angles = 90 * torch.rand(n, generator=draws) - 135
    blown = filters.drag(flakes, radius * pixel, sigma * pixel, angles)
    paler = share * x + (1 - share) * torch.maximum(x, 1.5 * gray(x) + 0.5)
    return paler + blown + blown.flip(2, 3)


def fog(x: Tensor, level: tuple[float, float], draws: Generator, pixel: float) -> Tensor:
    """A cloud is added, and the sum brought back to the image's maximum.

    Level: the cloud's largest value; how much rougher each coarser scale of it is (`plasma`).
    """
    thickness, decay = level
    cloud = plasma(len(x), x.shape[2:], decay, draws)
    largest = x.amax(dim=(1, 2, 3), keepdim=True)
    return (x + thickness * cloud) * largest / (largest + thickness)


def brightness(x: Tensor, more: float, draws: Generator, pixel: float) -> Tensor:
    """V of hue, saturation and value grows by a number, up to 1; hue and saturation stay.

    With these fixed, a color is in proportion to V = max(R,G,B), so no conversion is needed.
    """
    value = x.amax(dim=1, keepdim=True)
    brighter = (value + more).clamp_max(1)
    return torch.where(value > 0, x * (brighter / value.clamp_min(1e-12)), brighter)


WEATHER = (
    Corruption(
        "snow",
        "weather",
        snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    Corruption("fog", "weather", fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    Corruption("brightness", "weather", brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
)
