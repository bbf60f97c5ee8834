"""What is proved of a network, layer by layer: its Lipschitz bound, and how far float32 may stray from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

UNIT = 2.0**-24
"""Unit roundoff of float32."""

SHARES = 12
"""Roundings of a residual sum: a product, the sum, and two factors by sine, cosine and division, 2 units each."""

LARGEST = 1e12
"""Outputs beyond it are not followed any further: float32 must be far from overflow, squares included."""


@dataclass(frozen=True)
class LayerBound:
    """A proved bound of one layer.

    Args:
        name: The layer's place in its network.
        kind: What it is.
        bound: No two inputs are carried further apart than by this factor, in ℓ2.
        inside: Whether the layer is a part of a residual block, whose own row counts in the product.
    """

    name: str
    kind: str
    bound: float
    inside: bool = False


@dataclass(frozen=True)
class Flow:
    """What is known after some layers, of every image.

    An output is *exact* in real arithmetic, and *computed* in float32 with the same weights. The rounding errors follow
    the standard model (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1): a sum of n products
    is off by at most γ_n = nu/(1-nu) times the sum of their magnitudes, in whatever order it is added. They depend on
    the image by its norm alone, and grow with it along a straight line.

    Args:
        lipschitz: The exact outputs of two images are at most this times their ℓ2 distance apart.
        reach: Largest ℓ2 norm of an exact output: float64 ``(2,)``, its slope over the image's norm and its value at 0.
        error: Largest ℓ2 distance of a computed output from the exact one, likewise.
        layers: The bounds of the layers so far.
        unit: Unit roundoff of the arithmetic.
    """

    lipschitz: float
    reach: Tensor
    error: Tensor
    layers: tuple[LayerBound, ...] = ()
    unit: float = UNIT

    @classmethod
    def of_images(cls, unit: float = UNIT) -> Flow:
        """At the input: the norm is the image's own, and nothing has been rounded."""
        return cls(1.0, _line(1, 0), _line(0, 0), (), unit)

    def gamma(self, n: int) -> float:
        """γ_n, the relative error of a sum of n rounded products.

        Args:
            n: Roundings on the longest way from an input to an output.
        """
        return n * self.unit / (1 - n * self.unit) if n * self.unit < 0.5 else math.inf

    def affine(self, layer: LayerBound, *, absolute: float, offset: float, terms: int) -> Flow:
        """After ``W·x + b``.

        Args:
            layer: With the operator norm of W as its bound.
            absolute: Upper bound of the operator norm of |W|.
            offset: ℓ2 norm of b, over all places to which it is added.
            terms: Products summed for one output.
        """
        magnitudes = absolute * (self.reach + self.error) + _line(0, offset)
        return self._after(
            layer,
            reach=layer.bound * self.reach + _line(0, offset),
            error=layer.bound * self.error + self.gamma(terms + 3) * magnitudes,
        )

    def homogeneous(self, layer: LayerBound, *, terms: int) -> Flow:
        """After a function that maps 0 to 0 and has the layer's bound, each output with a small relative error.

        Args:
            layer: The function's bound.
            terms: Roundings on the longest way; 0 where nothing is rounded.
        """
        reach, error = layer.bound * self.reach, layer.bound * self.error
        return self._after(layer, reach=reach, error=error + self.gamma(terms) * (reach + error))

    def residual(self, branch: Flow, name: str, share: float, kept: float) -> Flow:
        """After ``share·f(x) + kept·x``: gains add up, because f(x) may move along with x.

        Args:
            branch: What is known of f(x), continued from this flow.
            name: Of the block.
            share: Factor of the branch.
            kept: Factor of the shortcut.
        """
        share, kept = abs(share), abs(kept)
        branch_layers = branch.layers[len(self.layers) :]
        gain = share * math.prod(layer.bound for layer in branch_layers if not layer.inside) + kept
        reach, error = share * branch.reach + kept * self.reach, share * branch.error + kept * self.error
        whole = LayerBound(name, "residual block", gain * (1 + 1e-12))
        inner = tuple(replace(layer, inside=True) for layer in branch_layers)
        return replace(self, layers=(*self.layers, *inner))._after(
            whole, reach=reach, error=error + self.gamma(SHARES) * (reach + error)
        )

    def _after(self, layer: LayerBound, *, reach: Tensor, error: Tensor) -> Flow:
        followed = bool((reach + error).amax() <= LARGEST)
        error = error if followed else _line(0, math.inf)
        return Flow(self.lipschitz * layer.bound, reach, error, (*self.layers, layer), self.unit)


def _line(slope: float, constant: float) -> Tensor:
    return torch.tensor([slope, constant], dtype=torch.float64)
