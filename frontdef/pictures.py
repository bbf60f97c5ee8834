"""Pictures for the report: tiles side by side, signed values as colors, distributions as bars.

A front end's `figures` are made of these; all are tensors in [0,1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

RED, BLUE, GRAY = (0.79, 0.14, 0.14), (0.13, 0.35, 0.75), (0.6, 0.6, 0.6)
"""Positive, negative; what stands behind."""

BAR_WIDTH = 2
"""Pixels of a bar."""


def montage(tiles: Tensor, gap: float = 0.0) -> Tensor:
    """Tiles side by side, row by row, in a nearly square grid, one pixel apart.

    Args:
        tiles: ``(N,K,C,h,w)``: K tiles a sample.
        gap: Value between the tiles and where the last row has none.

    Returns:
        ``(N,C,H,W)``.
    """
    n, count, channels, height, width = tiles.shape
    columns = -(-count // max(1, int(count**0.5)))
    rows = -(-count // columns)
    framed = tiles.new_full((n, rows * columns, channels, height + 1, width + 1), gap)
    framed[:, :count, :, :height, :width] = tiles
    grid = framed.unflatten(1, (rows, columns)).permute(0, 3, 1, 4, 2, 5)
    picture: Tensor = grid.flatten(4).flatten(2, 3)
    return picture[..., :-1, :-1]


def stretched(tiles: Tensor) -> Tensor:
    """Tiles ``(K,C,h,w)``, each stretched from its smallest to its largest value; a flat one is 0."""
    flat = tiles.flatten(1)
    low, high = (edge[:, None, None, None] for edge in (flat.amin(1), flat.amax(1)))
    return (tiles - low) / (high - low).clamp_min(1e-12)


def scaled(tiles: Tensor) -> Tensor:
    """Tiles ``(K,C,h,w)`` in [−1,1], each divided by its largest magnitude."""
    return tiles / tiles.flatten(1).abs().amax(1).clamp_min(1e-12).view(-1, 1, 1, 1)


def signed(tiles: Tensor) -> Tensor:
    """Tiles ``(K,C,h,w)`` of any sign, each `scaled`, with 0 as gray."""
    return 0.5 + scaled(tiles) / 2


def diverging(values: Tensor) -> Tensor:
    """Values ``(N,1,H,W)`` in [−1,1] as colors ``(N,3,H,W)``: blue at −1, white at 0, red at 1."""
    strength = values.abs().clamp(max=1)
    red, blue = (values.new_tensor(color)[:, None, None] for color in (RED, BLUE))
    return 1 - strength * (1 - torch.where(values > 0, red, blue))


def shares(values: Tensor, bins: int) -> Tensor:
    """Shares ``(N,bins)`` of values ``(N,F)`` in equal bins over [−1,1]; what lies outside counts in the last bin."""
    index = ((values + 1) / 2 * bins).long().clamp(0, bins - 1)
    counts = torch.zeros(len(values), bins, dtype=torch.float64, device=values.device)
    return counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.float64)) / values.shape[1]


def logarithmic(share: Tensor, decades: int = 4) -> Tensor:
    """Shares as heights in [0,1] on a logarithmic scale, 10 to the minus ``decades`` being 0."""
    return share.clamp_min(10.0**-decades).log10() / decades + 1


def bars(heights: Tensor, rows: int) -> Tensor:
    """Which pixels lie inside bars that stand side by side.

    Args:
        heights: ``(N,B)`` in [0,1], 1 being the whole height.
        rows: Height of the picture, pixels.

    Returns:
        bool ``(N,rows,B)``.
    """
    level = torch.arange(rows, 0, -1, device=heights.device)
    return level[:, None] <= (heights * rows).round()[:, None, :]


def histogram(front: Tensor, *, behind: Tensor | None = None, marks: Sequence[float] = (), rows: int = 60) -> Tensor:
    """Bars over [−1,1] on white: one distribution in red, another in gray behind it.

    Args:
        front: Heights of the bars ``(N,B)`` in [0,1], such as `shares`.
        behind: Likewise.
        marks: Values in [−1,1] where a vertical line stands.
        rows: Height of the picture, pixels.

    Returns:
        ``(N,3,rows,2·B)`` in [0,1].
    """
    n, bins = front.shape
    picture = torch.ones(n, rows, bins, 3, device=front.device)
    for heights, color in ((behind, GRAY), (front, RED if behind is not None else GRAY)):
        if heights is not None:
            picture[bars(heights, rows)] = picture.new_tensor(color)
    wide = picture.permute(0, 3, 1, 2).repeat_interleave(BAR_WIDTH, -1)
    for mark in marks:
        column = min(int((mark + 1) / 2 * bins * BAR_WIDTH), bins * BAR_WIDTH - 1)
        wide[..., column] = wide.new_tensor(RED)[:, None]
    return wide


def enlarged(picture: Tensor, times: int) -> Tensor:
    """Each pixel of ``(N,C,H,W)`` as a square of ``times`` by ``times``."""
    return F.interpolate(picture, scale_factor=times, mode="nearest")
