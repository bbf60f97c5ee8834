"""Differentiable stand-ins for the thermometer code; planes in ART's order, all levels of a channel side by side."""

from __future__ import annotations

import torch
from torch import Tensor


def _above(x: Tensor, levels: int) -> Tensor:
    thresholds = torch.arange(levels, device=x.device, dtype=x.dtype) / levels
    return x.unsqueeze(2) - thresholds.view(1, 1, -1, 1, 1)


def ramps(x: Tensor, levels: int) -> Tensor:
    """Plane ``k`` is ``min(max(x − k/levels, 0), 1)``: Athalye et al. 2018 (arXiv:1802.00420, section 5.1.1), and ART.

    Its gradient is zero where ``x ≤ k/levels``, so no plane of a black pixel has one.

    Args:
        x: ``(N,C,H,W)`` in [0,1].
        levels: Number of planes a channel.

    Returns:
        ``(N,C·levels,H,W)``.
    """
    # relu: its derivative at 0 is 0 as in ART, clamp's depends on torch's version; in [0,1] the upper bound never acts
    return torch.relu(_above(x, levels)).flatten(1, 2)


def sigmoids(x: Tensor, levels: int, steepness: float) -> Tensor:
    """Plane ``k ≥ 1`` is ``sigmoid(4·steepness·(x − k/levels))``; plane 0, which ART sets to 1 always, is 1.

    Args:
        x: ``(N,C,H,W)`` in [0,1].
        levels: Number of planes a channel.
        steepness: Slope at the threshold, per unit of ``x``.

    Returns:
        ``(N,C·levels,H,W)``.
    """
    planes = torch.sigmoid(4 * steepness * _above(x, levels)[:, :, 1:])
    return torch.cat([torch.ones_like(planes[:, :, :1]), planes], dim=2).flatten(1, 2)
