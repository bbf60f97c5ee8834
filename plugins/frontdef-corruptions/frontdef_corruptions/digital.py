"""Digital: what cameras, files and software do."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional as F

from frontdef_corruptions import filters
from frontdef_corruptions.corruption import Corruption


def contrast(x: Tensor, share: float, draws: Generator, pixel: float) -> Tensor:
    """Each channel's distance from its mean shrinks to a share."""
    mean = x.mean(dim=(2, 3), keepdim=True)
    return mean + share * (x - mean)


def elastic(x: Tensor, level: tuple[float, float, float], draws: Generator, pixel: float) -> Tensor:
    """A random affine map, then random displacements that are smooth.

    Level, as shares of the shorter side: amplitude of the displacements; σ of their Gaussian smoothing; how far the
    three points move that fix the affine map. Values between pixels are linear. The levels are published as shares, so
    ``pixel`` has no say.
    """
    n, _, height, width = x.shape
    side = min(height, width)
    amplitude, sigma, jitter = (share * side for share in level)
    moved = _sample(x, _affine(n, height, width, jitter, draws), align_corners=True)
    noise = 2 * torch.rand((n, 2, height, width), generator=draws, dtype=torch.float64) - 1
    smoothed = filters.smooth(noise, sigma, mode="reflect", truncate=3.0)
    return _sample(moved, _grid(height, width) + (amplitude * smoothed).permute(0, 2, 3, 1), align_corners=False)


def pixelate(x: Tensor, share: float, draws: Generator, pixel: float) -> Tensor:
    """Resized to a share of each side and back, both times with the box filter of Pillow."""
    sizes = x.shape[-2:]
    small = [int(size * share) for size in sizes]
    for targets in (small, sizes):
        rows, columns = (_box(size, target).to(x) for size, target in zip(x.shape[-2:], targets, strict=True))
        x = rows @ x @ columns.mT
    return x


def jpeg(x: Tensor, quality: int, draws: Generator, pixel: float) -> Tensor:
    """Saved by Pillow as JPEG of a quality, and read again: image by image, the one loop over samples here."""
    grid = (255 * x).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    saved = [_through_jpeg(pixels, quality) for pixels in grid]
    return torch.from_numpy(np.stack(saved)).permute(0, 3, 1, 2).to(x.dtype) / 255


def _through_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    if pixels.shape[2] == 3:
        return _one_jpeg(pixels, quality)
    return np.stack([_one_jpeg(channel, quality) for channel in np.moveaxis(pixels, 2, 0)], axis=2)


def _one_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    file.seek(0)
    with Image.open(file) as image:
        return np.asarray(image)


def _box(size: int, target: int) -> Tensor:
    """The matrix ``(target,size)`` of a resize with Pillow's box filter: means of the pixels that it covers."""
    scale = size / target
    centers = (torch.arange(target, dtype=torch.float64) + 0.5) * scale
    # In Pillow's order, because rounding decides what lies on an edge.
    offsets = (torch.arange(size) - centers[:, None] + 0.5) * (1 / max(scale, 1.0))
    covered = ((offsets > -0.5) & (offsets <= 0.5)).double()
    weights: Tensor = covered / covered.sum(dim=1, keepdim=True)
    return weights


def _grid(height: int, width: int) -> Tensor:
    """Coordinates ``(H,W,2)``, x and y in pixels."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows], dim=-1).double()


def _affine(n: int, height: int, width: int, jitter: float, draws: Generator) -> Tensor:
    """Where pixels come from, ``(n,H,W,2)``, when three corners of a square move by up to ``jitter`` pixels."""
    middle = torch.tensor([width // 2, height // 2], dtype=torch.float64)
    reach = min(height, width) // 3
    corners = middle + reach * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
    moved = corners + jitter * (2 * torch.rand((n, 3, 2), generator=draws, dtype=torch.float64) - 1)
    ones = torch.ones(n, 3, 1, dtype=torch.float64)
    inverse = torch.linalg.solve(torch.cat([moved, ones], dim=2), corners.expand(n, 3, 2))
    grid = _grid(height, width).flatten(0, 1)
    sources: Tensor = torch.cat([grid, torch.ones(len(grid), 1, dtype=torch.float64)], dim=1) @ inverse
    return sources.view(n, height, width, 2)


def _sample(x: Tensor, places: Tensor, align_corners: bool) -> Tensor:
    """Values at places ``(N,H,W,2)``, linear; the border is mirrored, and repeated unless ``align_corners``."""
    sizes = torch.tensor([x.shape[3], x.shape[2]], dtype=torch.float64)
    scaled = 2 * places / (sizes - 1) - 1 if align_corners else (2 * places + 1) / sizes - 1
    sampled: Tensor = F.grid_sample(x.double(), scaled, padding_mode="reflection", align_corners=align_corners)
    return sampled.to(x.dtype)


DIGITAL = (
    Corruption("contrast", "digital", contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    Corruption(
        "elastic-transform",
        "digital",
        elastic,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    Corruption("pixelate", "digital", pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    Corruption("jpeg-compression", "digital", jpeg, (80, 65, 58, 50, 40)),
)
