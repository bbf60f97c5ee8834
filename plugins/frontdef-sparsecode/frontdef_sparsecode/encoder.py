"""From an image to its sparse code: projections, the T largest of each patch, the thresholded sign."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def project(x: Tensor, atoms: Tensor, stride: int) -> Tensor:
    """Coefficients ⟨d_l, patch⟩ of all patches: a convolution with the atoms.

    Computed in float64 and rounded to float32, so that neither batch size nor device decides which of two nearly equal
    coefficients is among the T largest.

    Args:
        x: ``(N,C,H,W)``.
        atoms: ``(L,C,n,n)``.
        stride: Pixels from patch to patch.

    Returns:
        float32 ``(N,P,L)``, patches row by row.
    """
    patches = F.unfold(x.double(), atoms.shape[-1], stride=stride).mT
    return (patches @ atoms.flatten(1).double().mT).float()


def largest(projections: Tensor, k: int) -> Tensor:
    """Indices of the ``k`` largest magnitudes of each patch, descending; ties go to the lower index.

    Args:
        projections: float32 ``(N,P,L)``, finite.
        k: 1…L.

    Returns:
        int64 ``(N,P,k)``.
    """
    n_atoms = projections.shape[-1]
    # Floats that are not negative sort as their bits do; with the index in the lower digits no two keys are equal.
    keys = projections.detach().abs().view(torch.int32).long()
    keys.mul_(n_atoms).add_(torch.arange(n_atoms - 1, -1, -1, device=keys.device))
    return keys.topk(k, dim=-1).indices


def activate(values: Tensor, norms: Tensor, threshold: float, signed: bool) -> Tensor:
    """Thresholded sign (eq. 4.6): sgn(v)·‖d‖₁ where |v| ≥ βε‖d‖₁, otherwise 0.

    Args:
        values: Coefficients v.
        norms: ‖d‖₁ of their atoms, of the same shape.
        threshold: βε, in [0,1] pixel values.
        signed: False gives ‖d‖₁ in the place of sgn(v)·‖d‖₁.
    """
    sign = values.sign() if signed else torch.ones_like(values)
    return torch.where(values.abs() >= threshold * norms, sign * norms, 0.0)


def soft_activate(values: Tensor, norms: Tensor, threshold: float, signed: bool, steepness: float | None) -> Tensor:
    """What is differentiated in the place of `activate` (appendix B.4).

    Args:
        values: As for `activate`, and so are the others.
        norms: ‖d‖₁.
        threshold: j = βε.
        signed: False differentiates with respect to |v|.
        steepness: s of ½(tanh s(y−j) + tanh s(y+j))·‖d‖₁ with y = v/‖d‖₁; None for the identity.
    """
    values = values if signed else values.abs()
    if steepness is None:
        return values
    y = values / norms
    return 0.5 * norms * ((steepness * (y - threshold)).tanh() + (steepness * (y + threshold)).tanh())
