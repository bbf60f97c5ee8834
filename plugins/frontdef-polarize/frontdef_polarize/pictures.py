"""Pictures for the report: what the quantizer does to an image, and what training did to the filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from frontdef_polarize.front_end import PolarizingFrontEnd

BINS = 100
"""Of a histogram over [−1,1]."""

HEIGHT = 60
"""Of a histogram in pixels."""

ZOOM = 4
"""Pixels of a picture for one weight of a filter."""


@torch.no_grad()
def draw(front_end: PolarizingFrontEnd, images: Tensor) -> dict[str, Tensor]:
    """All pictures of a front end.

    Args:
        front_end: Trained or not.
        images: float32 ``(N,C,H,W)`` in [0,1].

    Returns:
        Title → images in [0,1]: one a sample, or one a stage of training (Figure 3 and Figure 1c of the paper).
    """
    codes = front_end(images)
    shown = {
        "normalized activations, black −1, white 1": montage((front_end.activations(images) + 1) / 2),
        "after the front end": montage((codes - codes.amin()) / (codes.amax() - codes.amin()).clamp_min(1)),
    }
    stages = filters_by_stage(front_end)
    if stages:
        names = ", ".join(stages)
        shown[f"filters: {names}"] = torch.cat([diverging(montage(_as_tiles(w))) for w in stages.values()])
        shown[f"activations from −1 to 1 over these images, thresholds in red: {names}"] = torch.cat(
            [histogram(front_end.activations(images, w), front_end.config.thresholds) for w in stages.values()]
        )
    else:
        shown["pixels from −1 to 1 over these images, thresholds in red"] = histogram(
            front_end.activations(images), front_end.config.thresholds
        )
    return {title: picture.float().clamp(0, 1).cpu() for title, picture in shown.items()}


def filters_by_stage(front_end: PolarizingFrontEnd) -> Mapping[str, Tensor]:
    """Filters ``(K,C,h,w)`` as drawn and after each stage that was recorded; none where the pixels are quantized."""
    if front_end.filters is None:
        return {}
    names = ("as drawn", *(f"after {name!r}" for name in front_end.config.learning_stages))
    found = {name: w for name, w in zip(names, front_end.history, strict=True) if bool(w.any())}
    last = next(reversed(found.values()))
    return found if torch.equal(last, front_end.filters) else found | {"at the end": front_end.filters.detach()}


def _as_tiles(filters: Tensor) -> Tensor:
    """Filters ``(K,C,h,w)`` as one picture ``(1,K·C,h,w)``, zoomed, each divided by its largest weight."""
    scaled = filters / filters.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
    return scaled.flatten(0, 1)[None].repeat_interleave(ZOOM, -1).repeat_interleave(ZOOM, -2)


def montage(channels: Tensor) -> Tensor:
    """Channels ``(N,K,h,w)`` side by side in a nearly square grid, one pixel apart: ``(N,1,H,W)``; gaps are 0."""
    n, count, height, width = channels.shape
    columns = -(-count // max(1, int(count**0.5)))
    rows = -(-count // columns)
    tiles = channels.new_zeros(n, rows * columns, height + 1, width + 1)
    tiles[:, :count, :height, :width] = channels
    grid = tiles.view(n, rows, columns, height + 1, width + 1).permute(0, 1, 3, 2, 4)
    return grid.reshape(n, 1, rows * (height + 1), columns * (width + 1))[..., :-1, :-1]


def diverging(picture: Tensor) -> Tensor:
    """Values ``(N,1,H,W)`` in [−1,1] as colors ``(N,3,H,W)``: blue, white at 0, red."""
    return torch.cat([1 + picture.clamp_max(0), 1 - picture.abs(), 1 - picture.clamp_min(0)], dim=1)


def histogram(z: Tensor, thresholds: tuple[float, ...]) -> Tensor:
    """Distribution of activations over [−1,1] as a picture ``(1,3,HEIGHT,2·BINS)``, the thresholds as red lines.

    Heights are logarithmic, 1 of 10,000 being the floor: most activations see black pixels only, and are 0.
    """
    share = torch.histc(z.float(), BINS, -1, 1) / z.numel()
    height = ((share.clamp_min(1e-4).log10() / 4 + 1) * HEIGHT).round()
    filled = torch.arange(HEIGHT, 0, -1, device=z.device)[:, None] <= height
    picture = torch.where(filled, 0.35, 1.0).repeat_interleave(2, -1).expand(1, 3, -1, -1).clone()
    for threshold in thresholds:
        column = min(int((threshold + 1) * BINS), 2 * BINS - 1)
        picture[0, :, :, column] = picture.new_tensor([0.8, 0.1, 0.1])[:, None]
    return picture
