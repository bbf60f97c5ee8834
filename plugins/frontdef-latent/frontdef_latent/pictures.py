"""Codes in two dimensions, as images for the report."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MARGIN = 0.1
"""Free border of a map, as a share of its side."""

RADIUS = 1.0
OTHERS = 0.45
"""Half width of a mark in pixels; brightness of the marks of the other samples."""


def principal(codes: Tensor) -> Tensor:
    """Coordinates of codes on the two axes along which they vary most, ``(N,2)``, by singular value decomposition.

    The axes belong to these codes alone. Each is turned so that its largest coefficient is positive; codes that vary
    along fewer than two axes get zeros.

    Args:
        codes: ``(N,latent)``.
    """
    centered = codes.double() - codes.double().mean(0)
    axes = torch.linalg.svd(centered, full_matrices=False).Vh[:2]
    axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    coordinates = centered @ axes.mT
    return torch.nn.functional.pad(coordinates, (0, 2 - coordinates.shape[1]))


def code_map(codes: Tensor, size: Sequence[int]) -> Tensor:
    """Maps of codes on their two principal axes, one a sample: its own mark is white, those of the others are gray.

    Args:
        codes: ``(N,latent)``.
        size: Height and width of a map in pixels.

    Returns:
        ``(N,1,H,W)`` in [0,1]; the first axis to the right, the second upwards, both to the same scale.
    """
    height, width = size
    coordinates = principal(codes)
    scale = (0.5 - MARGIN) / coordinates.abs().max().clamp_min(1e-12)
    right, up = (0.5 + coordinates * scale).unbind(1)
    rows = torch.arange(height, device=codes.device) + 0.5
    columns = torch.arange(width, device=codes.device) + 0.5
    near_row = (rows - ((1 - up) * height)[:, None]).abs() <= RADIUS
    near_column = (columns - (right * width)[:, None]).abs() <= RADIUS
    marks = (near_row[:, :, None] & near_column[:, None, :]).float()
    return torch.maximum(marks, OTHERS * marks.amax(0)).unsqueeze(1)
