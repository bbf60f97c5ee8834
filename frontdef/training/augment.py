"""Random variants of training images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

PADDING = 4
"""Pixels of black around an image before it is cropped (He et al. 2016, arXiv:1512.03385, section 4.2)."""


def crop_flip(x: Tensor) -> Tensor:
    """A random crop of each padded image, and every second one mirrored, with draws from torch's global generator.

    Args:
        x: ``(N,C,H,W)``.

    Returns:
        ``(N,C,H,W)``.
    """
    n, _, height, width = x.shape
    top, left = torch.randint(2 * PADDING + 1, (2, n, 1), device=x.device)
    rows = top + torch.arange(height, device=x.device)
    columns = left + torch.arange(width, device=x.device)
    mirrored = torch.rand(n, 1, device=x.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(x, (PADDING,) * 4).permute(0, 2, 3, 1)
    samples = torch.arange(n, device=x.device)[:, None, None]
    return padded[samples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


AUGMENTATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"none": lambda x: x, "crop-flip": crop_flip}
"""Name → what it does to a batch ``(N,C,H,W)``."""
