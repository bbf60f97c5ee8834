"""Boxes, and what float32 may add to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

UNIT = 2.0**-24
"""Largest relative error of one operation in float32."""

TINY = 2.0**-126
"""Largest absolute error of a product that underflows in float32."""


@dataclass(frozen=True)
class Box:
    """All tensors between two bounds.

    Args:
        low: Lower bounds, ``(N,…)`` float64.
        high: Upper bounds, likewise.
    """

    low: Tensor
    high: Tensor

    @property
    def middle(self) -> Tensor:
        """Half way between the bounds."""
        return (self.low + self.high) / 2

    @property
    def radius(self) -> Tensor:
        """Half the distance of the bounds."""
        return (self.high - self.low) / 2

    @property
    def magnitude(self) -> Tensor:
        """The largest absolute value of each element."""
        return torch.maximum(self.low.abs(), self.high.abs())

    def map(self, monotone: Callable[[Tensor], Tensor]) -> Box:
        """The image under a function that never decreases and is computed without rounding."""
        return Box(monotone(self.low), monotone(self.high))


def rounding(terms: int) -> float:
    """γ: the relative error of a sum of ``terms`` products in float32, in any order, and of our own float64 besides."""
    share = (terms + 2) * UNIT
    return share / (1 - share)


def affine(
    box: Box, weight: Tensor, bias: Tensor | None, terms: int, apply: Callable[[Tensor, Tensor, Tensor | None], Tensor]
) -> Box:
    """The image under an affine function.

    Args:
        box: Of the input.
        weight: Of the function.
        bias: Likewise, or None.
        terms: How many products and biases are added up in one output value.
        apply: ``(input, weight, bias) -> output``, linear in the input and in the weight.
    """
    weight, bias = weight.double(), None if bias is None else bias.double()
    slack = rounding(terms)
    middle = apply(box.middle, weight, bias)
    reach = box.radius + slack * box.magnitude
    spread = apply(reach, weight.abs(), None if bias is None else slack * bias.abs()) + terms * TINY
    return Box(middle - spread, middle + spread)
