"""Pictures: the dictionary (Fig. 4.12), coefficients after each operation (4.11), histograms of correlations (4.10)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef.pictures import diverging, histogram, montage, shares, stretched

BINS = 61
"""Of the histograms, over [−1,1]."""


def draw(images: Tensor, atoms: Tensor, steps: Mapping[str, Tensor], stride: int) -> dict[str, Tensor]:
    """Every picture of the encoder for some images.

    Args:
        images: float32 ``(N,C,H,W)`` in [0,1].
        atoms: The dictionary ``(L,C,n,n)``.
        steps: Operation of the encoder → coefficients after it, ``(N,P,L)`` in [−1,1].
        stride: Pixels from patch to patch.

    Returns:
        Title → images in [0,1]; one a sample, but one in all for the dictionary.
    """
    pictures = {f"dictionary: {len(atoms)} atoms, each stretched to [0,1]": montage(stretched(atoms)[None], gap=1.0)}
    # Atoms down, patches across.
    pictures |= {f"coefficients, {name} (red +, blue −)": diverging(y.mT[:, None]) for name, y in steps.items()}
    random = torch.randn(atoms.shape, generator=torch.Generator().manual_seed(0)).to(images)
    pictures["correlations of the strongest patch with the atoms (red), with random filters (gray)"] = histograms(
        correlations(images, atoms, stride), correlations(images, random, stride)
    )
    return pictures


def correlations(images: Tensor, filters: Tensor, stride: int) -> Tensor:
    """Cosines between each image's patch of largest ℓ2 norm and some filters, such as a CNN's first layer.

    Args:
        images: ``(N,C,H,W)``.
        filters: ``(F,C,n,n)``, patches of the size of the filters.
        stride: Pixels from patch to patch.

    Returns:
        ``(N,F)`` in [−1,1]; 0 for a blank patch.
    """
    patches = F.unfold(images, filters.shape[-1], stride=stride).mT
    strongest = patches.norm(dim=-1).argmax(1)
    return F.normalize(patches[torch.arange(len(images)), strongest], dim=1) @ F.normalize(filters.flatten(1), dim=1).mT


def histograms(front: Tensor, behind: Tensor) -> Tensor:
    """Two histograms a sample over [−1,1], the first in red, the second in gray behind it.

    Args:
        front: ``(N,F)``.
        behind: ``(N,G)``.

    Returns:
        ``(N,3,H,W)`` in [0,1]; bars are shares, the tallest as high as the picture.
    """
    both = torch.stack([shares(front, BINS), shares(behind, BINS)])
    heights = (both / both.amax((0, 2), keepdim=True)).float()
    return histogram(heights[0], behind=heights[1])
