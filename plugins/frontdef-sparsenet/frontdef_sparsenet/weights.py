"""What is done to a weight: its largest entries are kept, its rows are brought into an ℓ1 ball.

A row of a linear layer's weight is a neuron's; of a convolution's kernel ``(out, in, k, k)``, a filter's, with all its
``in·k·k`` values.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from frontdef.bpda import top_k_mask


def n_kept(count: int, share: float) -> int:
    """How many of ``count`` weights are the share that is kept: ⌊share·count⌋, at least one.

    Args:
        count: Weights of a layer.
        share: ρ in (0,1].
    """
    # 0.29 is no binary fraction: 0.29 · 100 is 28.999999999999996, and means 29.
    return max(1, math.floor(share * count + 1e-9))


def largest(weight: Tensor, share: float) -> Tensor:
    """A weight with all but its largest entries zeroed; ties go to the lower index.

    The gradient is that of the entries that are kept.

    Args:
        weight: Of any shape.
        share: ρ, the share that is kept, in (0,1].
    """
    kept = n_kept(weight.numel(), share)
    if kept == weight.numel():
        return weight
    return weight * top_k_mask(weight.detach().view(1, -1), kept).view_as(weight)


def into_ball(weight: Tensor, radius: float) -> Tensor:
    """Project each row onto the ℓ1 ball: the nearest point with ‖w_i‖₁ ≤ γ.

    Duchi et al. 2008, doi:10.1145/1390156.1390191. A row that lies inside stays as it is. Of any other, every magnitude
    is lowered by one and the same θ, down to zero at least, so that their sum is γ. Differentiable almost everywhere.

    Args:
        weight: At least two dimensions, the first of them over rows.
        radius: γ > 0.
    """
    rows = weight.flatten(1)
    magnitudes = rows.abs()
    descending = magnitudes.sort(dim=1, descending=True).values
    excess = descending.cumsum(1) - radius
    count = torch.arange(1, rows.shape[1] + 1, device=weight.device, dtype=weight.dtype)
    # The largest j of which u_j > (Σ_{i≤j} u_i − γ)/j; the condition holds for a prefix.
    last = (descending * count > excess).sum(1, keepdim=True).clamp_min(1) - 1
    theta = (excess.gather(1, last) / (last + 1)).clamp_min(0)
    shrunk = rows.sign() * (magnitudes - theta).clamp_min(0)
    return torch.where(theta > 0, shrunk, rows).view_as(weight)
