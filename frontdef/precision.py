"""Logits of a float32 network as float64, with a gradient that float32 can hold on its way back."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

LEAST = -64
"""Exponent of two below which no row's gradient goes back: far above what float32 rounds to 0, far below any other."""


class _Widened(torch.autograd.Function):
    """Float64 forward; backward each row of the gradient is lifted to 2^`LEAST` where its largest value is below."""

    @staticmethod
    def forward(_: Any, logits: Tensor) -> Tensor:
        return logits.double()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        largest = gradient.abs().amax(dim=-1, keepdim=True)
        short = (LEAST - torch.frexp(largest).exponent).clamp_min(0).double()
        half = torch.exp2(torch.where(largest > 0, short, 0) / 2)  # twice: 2^1024 is no float64
        return (gradient * half * half).float()


def widened(logits: Tensor) -> Tensor:
    """Logits as float64; a gradient that comes back is float32, and no row of it is 0 that was not.

    The direction of a row that is lifted stays, its length does not.

    Args:
        logits: float32 ``(N,K)``.

    Returns:
        float64 ``(N,K)``.
    """
    return cast(Tensor, _Widened.apply(logits))
