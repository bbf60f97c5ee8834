"""Pictures of a network's weights: rows as images, what survives of an image, singular values as bars."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from frontdef.pictures import bars, signed
from frontdef_lowrank.reduction import reducible
from frontdef_lowrank.svd import as_matrix, n_bottom, spectrum

MOST = 8
"""Weights that are shown of a layer."""

BARS = (48, 96)
"""Height and width of a spectrum, pixels."""


def all_of(network: nn.Module, images: Tensor, share: float) -> Iterator[tuple[str, Tensor]]:
    """Every picture with its title.

    Args:
        network: Reduced layers.
        images: ``(N,C,H,W)`` in [0,1].
        share: The bottom share that was reduced.
    """
    layers = list(reducible(network))
    if layers:
        weight = layers[0][1].weight
        assert isinstance(weight, Tensor)
        image_shape = images.shape[1:]
        yield "weights of the first layer, gray is 0", rows(weight, image_shape)
        if weight.ndim == 2 and weight.shape[1] == image_shape.numel():
            yield f"what the first layer's top {1 - share:.0%} of singular vectors see", seen(weight, images, share)
    for number, (_, layer) in enumerate(layers, 1):
        assert isinstance(layer.weight, Tensor)
        values = spectrum(layer.weight)
        yield f"singular values of layer {number}, from {values[0]:.3g} to {values[-1]:.3g}", spectrum_bars(values)


def rows(weight: Tensor, image_shape: torch.Size) -> Tensor:
    """The first weights of a layer as images, each scaled by its largest magnitude; 0 is gray.

    Args:
        weight: Of a linear layer on images, or a kernel.
        image_shape: ``(C,H,W)``.
    """
    shape = image_shape if weight.ndim == 2 and weight.shape[1] == image_shape.numel() else weight.shape[1:]
    shape3 = (1,) * (3 - len(shape)) + tuple(shape)
    return signed(weight.detach().cpu()[:MOST].reshape(-1, *shape3))


def seen(weight: Tensor, images: Tensor, share: float) -> Tensor:
    """Images projected onto the right singular vectors of the top singular values, V_t V_tᵀ x, clipped to [0,1].

    Args:
        weight: Of a linear layer, ``(out, C·H·W)``.
        images: ``(N,C,H,W)``.
        share: The bottom share, which is left out.
    """
    vh: Tensor = torch.linalg.svd(as_matrix(weight), full_matrices=False).Vh
    top = vh[: len(vh) - n_bottom(len(vh), share)]
    flat = images.detach().cpu().double().flatten(1)
    return (flat @ top.T @ top).view_as(images).float().clamp(0, 1)


def spectrum_bars(values: Tensor) -> Tensor:
    """Values as black bars on white, from the left, the first one of full height; float32 ``(1,1,48,96)``.

    Args:
        values: Descending, not negative.
    """
    height, width = BARS
    shown = values[torch.arange(width) * len(values) // width] / values[0].clamp_min(1e-300)
    return (~bars(shown[None], height))[:, None].float()
