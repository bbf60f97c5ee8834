"""What a HaH block is trained for besides the task: few strong activations (section 5.2.2)."""

from __future__ import annotations

import math

from torch import Tensor


def n_top(n_channels: int, share: float) -> int:
    """K of eq. 5.4: a share of the channels, rounded up, at least 1."""
    # 0.07·100 is 7.000000000000001, and means 7.
    return max(1, math.ceil(share * n_channels - 1e-9))


def hah_objective(y: Tensor, share: float = 0.1, anti_hebbian: float = 0.1) -> Tensor:
    """L_block of eq. 5.4, to be maximized: mean over images and locations.

    ``(1/K)·Σ y⁽¹⁾…y⁽ᴷ⁾ − λ·(1/(N−K))·Σ y⁽ᴷ⁺¹⁾…y⁽ᴺ⁾`` of the N activations at a location in descending order; the second
    term is 0 where K = N.

    Args:
        y: Activations before the normalization, ``(batch,N,H,W)``.
        share: K/N, rounded up to a whole K.
        anti_hebbian: λ.

    Returns:
        A scalar.
    """
    n_channels = y.shape[1]
    k = n_top(n_channels, share)
    top = y.topk(k, dim=1, sorted=False).values.sum(dim=1).mean()
    rest = y.sum(dim=1).mean() - top
    return top / k - anti_hebbian * rest / max(1, n_channels - k)
