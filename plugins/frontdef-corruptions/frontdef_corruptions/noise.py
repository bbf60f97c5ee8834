"""Noise: each value of each channel on its own."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from frontdef_corruptions.corruption import Corruption


def _normal(x: Tensor, draws: Generator) -> Tensor:
    return torch.randn(x.shape, generator=draws)


def gaussian(x: Tensor, sigma: float, draws: Generator, pixel: float) -> Tensor:
    """``x + σ·n``, n standard normal."""
    return x + sigma * _normal(x, draws)


def shot(x: Tensor, photons: float, draws: Generator, pixel: float) -> Tensor:
    """``Poisson(c·x)/c``: c photons make a white value."""
    return torch.poisson(photons * x, generator=draws) / photons


def impulse(x: Tensor, share: float, draws: Generator, pixel: float) -> Tensor:
    """A share of the values becomes salt (1) or pepper (0), half of them each."""
    dice = torch.rand(x.shape, generator=draws)
    return torch.where(dice < share / 2, 0.0, torch.where(dice < share, 1.0, x))


def speckle(x: Tensor, sigma: float, draws: Generator, pixel: float) -> Tensor:
    """``x + x·σ·n``: noise in proportion to the value."""
    return x + x * sigma * _normal(x, draws)


NOISE = (
    Corruption("gaussian-noise", "noise", gaussian, (0.04, 0.06, 0.08, 0.09, 0.10)),
    Corruption("shot-noise", "noise", shot, (500, 250, 100, 75, 50)),
    Corruption("impulse-noise", "noise", impulse, (0.01, 0.02, 0.03, 0.05, 0.07)),
    Corruption("speckle-noise", "noise", speckle, (0.06, 0.1, 0.12, 0.16, 0.2)),
)
