"""Statistics of trained weights: how sparse filters are, and what batch norms hold (dissertation, chapter 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

BATCH_NORM_VALUES: Mapping[str, str] = {
    "running_mean": "running_mean",
    "running_variance": "running_var",
    "gamma": "weight",
    "beta": "bias",
}
"""Column → attribute of the module."""


def sparsity(weight: Tensor) -> Tensor:
    """``(‖w‖₁/‖w‖₂)²`` of each filter: 1 where a single value is not zero, d where all d are equal in size.

    It does not depend on the filter's scale (Hurley and Rickard 2009, doi:10.1109/TIT.2009.2027527; chapter 3.2.2).

    Args:
        weight: ``(filters,…)``, the weights of a convolution or of a linear layer.

    Returns:
        float64 ``(filters,)``; ``nan`` for a filter of zeros.
    """
    flat = weight.detach().double().flatten(1)
    euclidean: Tensor = torch.linalg.vector_norm(flat, dim=1)
    return (flat.abs().sum(1) / euclidean).square()


def normalized_sparsity(weight: Tensor) -> Tensor:
    """``((‖w‖₁/‖w‖₂)² − 1)/(d − 1)``, from 0 (a single value) to 1 (all equal); the axis of Figures 3.18 and 3.19.

    Args:
        weight: ``(filters,…)`` with d values in each filter.

    Returns:
        float64 ``(filters,)``; ``nan`` for a filter of zeros, or of a single value.
    """
    size = weight[0].numel()
    return (sparsity(weight) - 1) / (size - 1) if size > 1 else torch.full((len(weight),), torch.nan).double()


def filters_first(module: nn.Module) -> Tensor:
    """The weights of a convolution or linear layer as ``(filters,…)``, also where it is transposed."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    if getattr(module, "transposed", False):
        groups = int(module.groups)  # type: ignore[arg-type]
        parts = weight.detach().unflatten(0, (groups, -1))  # (groups, in, out, …)
        weight = parts.transpose(1, 2).flatten(0, 1)
    return weight.detach()


def batch_norm_statistics(module: nn.Module) -> dict[str, Tensor]:
    """Running mean and variance, γ and β of each channel; ``nan`` for what the layer does not have.

    Args:
        module: A batch norm.

    Returns:
        The keys of `BATCH_NORM_VALUES` → float32 ``(C,)``.
    """
    channels = int(module.num_features)  # type: ignore[arg-type]
    statistics: dict[str, Tensor] = {}
    for column, attribute in BATCH_NORM_VALUES.items():
        value: Any = getattr(module, attribute)
        statistics[column] = torch.full((channels,), torch.nan) if value is None else value.detach().float().cpu()
    return statistics
