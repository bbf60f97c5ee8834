"""Theorem 2: how much a perturbation can grow on its way through a network, measured in ℓ∞.

A layer with rows ‖w_i‖₁ ≤ γ stretches the ℓ∞ norm of a perturbation by γ at most (Hölder), and ReLU and max-pooling do
not stretch it at all, so ‖e_j‖∞ ≤ ε·∏γ (equations 2 and 3). For a convolution, a row is a filter: every output value is
the product of one filter with a window of the image, or with a part of it at the border.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from frontdef.bounds import rounding
from frontdef.errors import ConfigError

WEIGHTED: tuple[type[nn.Module], ...] = (nn.Linear, nn.Conv2d)
NONEXPANSIVE: tuple[type[nn.Module], ...] = (nn.ReLU, nn.MaxPool2d, nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d)
"""Layers that do not stretch a perturbation and do not round; dropout, because at test time it does nothing."""

TINY = 2.0**-126
"""Largest absolute error of a product that underflows in float32."""

OUTWARD = 1 + 1e-9
"""By this sums in float64 are enlarged, which is more than their rounding."""


@dataclass(frozen=True)
class Growth:
    """What Theorem 2 says of a network for images in [0,1].

    Args:
        gammas: γ_j of each linear or convolutional layer, max_i ‖w_ij‖₁.
        factor: ∏γ, rounded up.
        rounding: By how much an output, computed in float32, may differ from the exact one, whatever the image.
    """

    gammas: tuple[float, ...]
    factor: float
    rounding: float


def weighted(network: nn.Module) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    """The layers that have a γ, with their names."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            yield name, module


def gamma(weight: Tensor) -> float:
    """max_i ‖w_i‖₁ of a weight, in float64."""
    return float(weight.detach().double().abs().flatten(1).sum(1).max())


def check_bounded(network: nn.Sequential, name: str) -> None:
    """Check that the theorem covers every layer.

    Raises:
        ConfigError: Another type of layer, a padding that is not zero, or a layer within a layer.
    """
    for layer in network:
        if not isinstance(layer, WEIGHTED + NONEXPANSIVE) or getattr(layer, "padding_mode", "zeros") != "zeros":
            known = ", ".join(kind.__name__ for kind in WEIGHTED + NONEXPANSIVE)
            raise ConfigError(
                f"network {name!r} holds a {type(layer).__name__}, of which the theorem says nothing. It covers "
                f"sequences of {known}, convolutions padded with zeros: fc2, cnn4 and small-cnn are such networks"
            )


def growth(network: nn.Sequential) -> Growth:
    """Measure a network.

    Besides the γs, this bounds the rounding of the network in float32: the theorem holds for exact numbers, an attack
    is judged by rounded ones. With m the largest magnitude of a layer's input and r the error that it comes with, a
    layer with n terms a sum adds u(n)·(γ·(m + r) + |b|) to γ·r, where u(n) is `frontdef.bounds.rounding`.

    Args:
        network: Layers that `check_bounded` accepts.
    """
    gammas: list[float] = []
    factor, magnitude, error = 1.0, 1.0 + 1e-6, 0.0
    for _, layer in weighted(network):
        gammas.append(gamma(layer.weight))
        own = OUTWARD * gammas[-1]
        bias = 0.0 if layer.bias is None else float(layer.bias.detach().abs().max())
        terms = layer.weight[0].numel() + 1
        error = OUTWARD * (own * error + rounding(terms) * (own * (magnitude + error) + bias) + terms * TINY)
        magnitude = OUTWARD * (own * magnitude + bias)
        factor *= own
    return Growth(tuple(gammas), factor, error)
