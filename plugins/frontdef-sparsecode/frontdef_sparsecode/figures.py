"""Pictures: the dictionary (Fig. 4.12), coefficients after each operation (4.11), histograms of correlations (4.10)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef_sparsecode.encoder import activate, largest, project

if TYPE_CHECKING:
    from frontdef_sparsecode.front_end import SparseCoding

BINS = 61
"""Of the histograms, over [−1,1]."""

RED, BLUE, GREY = (0.79, 0.14, 0.14), (0.13, 0.35, 0.75), (0.6, 0.6, 0.6)


def figures(front_end: SparseCoding[Any], images: Tensor) -> Mapping[str, Tensor]:
    """Every picture for some images.

    Args:
        front_end: The front end.
        images: float32 ``(N,C,H,W)`` in [0,1].

    Returns:
        Title → images in [0,1]; one a sample, but one in all for the dictionary.
    """
    settings = front_end.settings
    with torch.no_grad():
        output = front_end(images)
        steps = operations(front_end, images)
        pictures = {f"dictionary: {settings.atoms} atoms, each stretched to [0,1]": mosaic(front_end.atoms)}
        # Atoms down, patches across.
        pictures |= {f"coefficients, {name} (red +, blue −)": diverging(y.mT) for name, y in steps.items()}
        random = torch.randn(front_end.atoms.shape, generator=torch.Generator().manual_seed(0)).to(images)
        pictures["correlations of the strongest patch with the atoms (red), with random filters (grey)"] = histograms(
            correlations(front_end, images, front_end.atoms), correlations(front_end, images, random)
        )
    return {**pictures, "after the front end": output}


def operations(front_end: SparseCoding[Any], images: Tensor) -> dict[str, Tensor]:
    """Coefficients over ‖d‖₁ after each operation of the encoder, ``(N,P,L)`` in [−1,1] each."""
    projections, norms = project(images, front_end.atoms, front_end.settings.stride), front_end.norms
    chosen = largest(projections, front_end.settings.top)
    values, own = projections.gather(-1, chosen), norms[chosen]
    kept = front_end.drop(torch.ones_like(values))
    active = activate(values, own, front_end.threshold, front_end.config.signed)
    empty = torch.zeros_like(projections)
    steps = {
        f"{front_end.settings.top} largest": values / own,
        "after dropout": values / own * kept,
        "after activation": active / own * kept,
    }
    if not front_end.randomized:
        del steps["after dropout"]
    scattered = {name: empty.scatter(-1, chosen, selected) for name, selected in steps.items()}
    return {"projections": projections / norms, **scattered}


def correlations(front_end: SparseCoding[Any], images: Tensor, filters: Tensor) -> Tensor:
    """Cosines between each image's patch of largest ℓ2 norm and some filters, such as a CNN's first layer.

    Args:
        front_end: Gives the size of a patch, and the stride.
        images: ``(N,C,H,W)``.
        filters: ``(F,C,n,n)``, patches of the size of the filters.

    Returns:
        ``(N,F)`` in [−1,1]; 0 for a blank patch.
    """
    patches = F.unfold(images, filters.shape[-1], stride=front_end.settings.stride).mT
    strongest = patches.norm(dim=-1).argmax(1)
    return F.normalize(patches[torch.arange(len(images)), strongest], dim=1) @ F.normalize(filters.flatten(1), dim=1).mT


def mosaic(atoms: Tensor) -> Tensor:
    """Atoms ``(L,C,n,n)`` side by side with a line between them; ``(1,C,…,…)`` in [0,1]."""
    across = math.ceil(math.sqrt(len(atoms)))
    flat = atoms.flatten(1)
    low, high = flat.amin(1)[:, None, None, None], flat.amax(1)[:, None, None, None]
    framed = F.pad((atoms - low) / (high - low).clamp_min(1e-12), (0, 1, 0, 1), value=1.0)
    filled = F.pad(framed, (0, 0, 0, 0, 0, 0, 0, across * across - len(atoms)), value=1.0)
    rows = filled.unflatten(0, (across, across)).permute(2, 0, 3, 1, 4)
    picture: Tensor = rows.flatten(3).flatten(1, 2)[None]
    return picture


def diverging(values: Tensor) -> Tensor:
    """Values ``(N,H,W)`` in [−1,1] as colors ``(N,3,H,W)``: white at 0, red at 1, blue at −1."""
    strength = values.abs().clamp(max=1)[:, None]
    red, blue = (values.new_tensor(color)[:, None, None] for color in (RED, BLUE))
    return 1 - strength * (1 - torch.where(values[:, None] > 0, red, blue))


def histograms(one: Tensor, two: Tensor, height: int = 60) -> Tensor:
    """Two histograms a sample over [−1,1], as bars: the first in red, the second in grey behind it.

    Args:
        one: ``(N,F)``.
        two: ``(N,G)``.
        height: Of the picture, pixels.

    Returns:
        ``(N,3,height,2·BINS)`` in [0,1]; bars are shares, the tallest as high as the picture.
    """
    shares = torch.stack([_shares(one), _shares(two)])
    bars = shares / shares.amax((0, 2), keepdim=True)
    level = torch.linspace(1, 0, height + 1, device=one.device)[1:]
    inside = (bars[:, :, None, :] > level[:, None]).repeat_interleave(2, -1)
    picture = torch.ones(len(one), height, 2 * BINS, 3, device=one.device)
    picture[inside[1]] = picture.new_tensor(GREY)
    picture[inside[0]] = picture.new_tensor(RED)
    return picture.permute(0, 3, 1, 2)


def _shares(values: Tensor) -> Tensor:
    """Shares ``(N,BINS)`` of values ``(N,F)`` in equal bins over [−1,1]."""
    index = ((values + 1) / 2 * BINS).long().clamp(0, BINS - 1)
    return F.one_hot(index, BINS).double().mean(1)
