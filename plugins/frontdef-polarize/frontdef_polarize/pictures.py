"""Pictures for the report: what the quantizer does to an image, and what training did to the filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from frontdef.pictures import diverging, enlarged, histogram, logarithmic, montage, scaled, shares

BINS = 100
"""Of a histogram over [−1,1]."""

ZOOM = 4
"""Pixels of a picture for one weight of a filter."""


def draw(
    activations: Tensor,
    codes: Tensor,
    stages: Mapping[str, tuple[Tensor, Tensor]],
    thresholds: Sequence[float],
) -> dict[str, Tensor]:
    """All pictures of some images.

    Args:
        activations: Normalized ones, ``(N,K,H,W)`` in [−1,1].
        codes: What the quantizer makes of them.
        stages: Stage of training → the filters ``(K,C,h,w)`` after it, and the activations that they give; none where
            the pixels are quantized.
        thresholds: Of the quantizer.

    Returns:
        Title → images in [0,1]: one a sample, or one a stage of training (Figure 3 and Figure 1c of the paper).
    """
    shown = {
        "normalized activations, black −1, white 1": _maps((activations + 1) / 2),
        "after the front end": _maps((codes - codes.amin()) / (codes.amax() - codes.amin()).clamp_min(1)),
    }
    if stages:
        names = ", ".join(stages)
        shown[f"filters: {names}"] = torch.cat([_filters(filters) for filters, _ in stages.values()])
        title = f"activations from −1 to 1 over these images, thresholds in red: {names}"
        shown[title] = torch.cat([spread(z, thresholds) for _, z in stages.values()])
    else:
        shown["pixels from −1 to 1 over these images, thresholds in red"] = spread(activations, thresholds)
    return {title: picture.float().clamp(0, 1).cpu() for title, picture in shown.items()}


def spread(z: Tensor, thresholds: Sequence[float]) -> Tensor:
    """Distribution of activations over [−1,1], the thresholds as red lines.

    Heights are logarithmic, 1 of 10,000 being the floor: most activations see black pixels only, and are 0.
    """
    return histogram(logarithmic(shares(z.reshape(1, -1), BINS)), marks=thresholds)


def _maps(channels: Tensor) -> Tensor:
    """Channels ``(N,K,H,W)`` side by side."""
    return montage(channels[:, :, None])


def _filters(filters: Tensor) -> Tensor:
    """Filters ``(K,C,h,w)`` as one picture, zoomed, each divided by its largest weight."""
    return diverging(montage(enlarged(scaled(filters), ZOOM).flatten(0, 1)[None, :, None]))
