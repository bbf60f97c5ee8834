"""The bottom singular values of a weight matrix, zeroed or scaled: equation 1 of the report and what follows it."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from frontdef.errors import ConfigError


def as_matrix(weight: Tensor) -> Tensor:
    """A weight as the matrix whose singular values count, in float64 on the CPU.

    A linear layer's weight is that matrix. A convolution's kernel ``(out, in, k, k)`` is read as ``(out, in·k·k)``: one
    row a filter. These are not the singular values of the convolution as an operator on images, which depend on the
    image's size and on the stride as well.

    Args:
        weight: At least two dimensions, the first of them over outputs.
    """
    return weight.detach().cpu().double().flatten(1)


def spectrum(weight: Tensor) -> Tensor:
    """Singular values of a weight, descending; float64 ``(min(rows, columns),)`` on the CPU.

    Args:
        weight: See `as_matrix`.
    """
    return cast(Tensor, torch.linalg.svdvals(as_matrix(weight)))


def n_bottom(count: int, share: float) -> int:
    """How many of ``count`` singular values are the bottom ``share``: ⌊share·count⌋.

    Args:
        count: Singular values of a weight.
        share: In [0,1].
    """
    # 0.7 is no binary fraction: 0.7 · 10 is 7, and 0.29 · 100 would be 28.999999999999996.
    return math.floor(share * count + 1e-9)


def attenuate(weight: Tensor, share: float, factor: float) -> Tensor:
    """Scale the bottom singular values of a weight, and leave the rest of it alone.

    With W = UΣVᵀ (equation 1), the result is W − (1 − factor)·U_b Σ_b V_bᵀ, where b are the ⌊share·n⌋ smallest of the n
    singular values. Where the cut falls between equal singular values, the decomposition itself is not unique, and nor
    is the result.

    Args:
        weight: See `as_matrix`.
        share: The bottom share of singular values, in [0,1].
        factor: What they are multiplied by; 0 zeroes them, 1 changes nothing.

    Returns:
        A new weight of the same shape, type and device.

    Raises:
        ConfigError: NaN or infinite weights.
    """
    matrix = as_matrix(weight)
    if not bool(matrix.isfinite().all()):
        raise ConfigError(
            f"a weight of shape {tuple(weight.shape)} holds NaN or infinite values, which have no singular values: the "
            "network's training diverged; train it again with a lower learning rate"
        )
    bottom = n_bottom(min(matrix.shape), share)
    if bottom == 0 or factor == 1:
        return weight.detach().clone()
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    # The bottom is subtracted, so that the top keeps the rounding of the weight itself.
    reduced: Tensor = matrix - (1 - factor) * (u[:, -bottom:] * s[-bottom:]) @ vh[-bottom:]
    return reduced.to(weight).view_as(weight)
