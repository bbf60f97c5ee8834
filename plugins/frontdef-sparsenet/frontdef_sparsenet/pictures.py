"""Pictures of a sparse network: the first layer's weights as images, and which pixels it reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frontdef.pictures import signed
from frontdef_sparsenet.growth import gamma, weighted

MOST = 8
"""Weights that are shown of a layer."""


def all_of(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Every picture by its title.

    Args:
        network: Layers with at least one that has weights, none before it that moves pixels.
        images: ``(N,C,H,W)`` in [0,1].
    """
    weight = next(layer for _, layer in weighted(network)).weight.detach()
    share = (weight != 0).double().mean().item()
    title = f"weights of the first layer: {share:.1%} are not 0 (gray), γ = {gamma(weight):.3g}"
    if weight.ndim != 2:
        return {title: signed(weight[:MOST])}
    rows = weight.view(-1, *images.shape[1:])
    read = (rows != 0).any(0)
    return {
        title: signed(rows[:MOST]),
        f"the {int(read.sum())} pixels that the first layer reads, others gray": torch.where(read, images, 0.5),
    }
