"""What is proved of a network, layer by layer: its Lipschitz bound, and how far float32 may stray from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

UNIT = 2.0**-24
"""Unit roundoff of float32."""


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
    """What is known after some layers, of every image in the box.

    ``computed`` values are float32 results, ``exact`` ones those of the same weights in real arithmetic. The rounding
    errors follow the standard model (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1): a sum
    of n products is off by at most γ_n = nu/(1-nu) times the sum of their magnitudes, in whatever order it is added.

    Args:
        lipschitz: The exact outputs of two images are at most this times their ℓ2 distance apart.
        reach: Largest ℓ2 norm of an exact output.
        error: Largest ℓ2 distance of a computed output from the exact one.
        layers: The bounds of the layers so far.
        unit: Unit roundoff of the arithmetic.
    """

    lipschitz: float
    reach: float
    error: float
    layers: tuple[LayerBound, ...] = ()
    unit: float = UNIT

    @classmethod
    def of_images(cls, n_values: int, unit: float = UNIT) -> Flow:
        """At the input: images of some number of values in [0,1], with the tolerance of 1e-6 a value."""
        return cls(1.0, math.sqrt(n_values) * (1 + 2e-6), 0.0, (), unit)

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
        return self._after(
            layer,
            reach=layer.bound * self.reach + offset,
            error=layer.bound * self.error + self.gamma(terms + 3) * (absolute * (self.reach + self.error) + offset),
        )

    def nonexpansive(self, layer: LayerBound, *, terms: int) -> Flow:
        """After a function that maps 0 to 0 and has the layer's bound, each output with a small relative error.

        Args:
            layer: The function's bound.
            terms: Roundings on the longest way; 0 where nothing is rounded.
        """
        carried = layer.bound * (self.reach + self.error)
        return self._after(
            layer, reach=layer.bound * self.reach, error=layer.bound * self.error + self.gamma(terms) * carried
        )

    def residual(self, branch: Flow, name: str, share: float, kept: float) -> Flow:
        """After ``share·f(x) + kept·x``: gains add up, because f(x) may move along with x.

        Args:
            branch: What is known of f(x), continued from this flow.
            name: Of the block.
            share: Factor of the branch.
            kept: Factor of the shortcut.
        """
        share, kept = abs(share), abs(kept)
        lipschitz = (share * branch.lipschitz + kept * self.lipschitz) * (1 + 1e-12)
        summed = share * (branch.reach + branch.error) + kept * (self.reach + self.error)
        parts = tuple(replace(layer, inside=True) for layer in branch.layers[len(self.layers) :])
        gain = lipschitz / self.lipschitz if self.lipschitz else 0.0
        return Flow(
            lipschitz,
            share * branch.reach + kept * self.reach,
            share * branch.error + kept * self.error + self.gamma(4) * summed,
            (*self.layers, *parts, LayerBound(name, "residual block", gain)),
            self.unit,
        )

    def _after(self, layer: LayerBound, *, reach: float, error: float) -> Flow:
        return Flow(self.lipschitz * layer.bound, reach, error, (*self.layers, layer), self.unit)
