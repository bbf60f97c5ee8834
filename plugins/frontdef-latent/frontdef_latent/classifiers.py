"""The report's classifiers 1L, 2L and LRL (section 2.3), for codes and for images.

The report counts "linear hidden layers" and calls 2L an over-parameterized 1L to which it is equivalent. Here the names
are read as the sequences of layers that they spell: L; L, L; L, ReLU, L. Hidden widths are not in the report.
"""

from __future__ import annotations

import math

from torch import nn

from frontdef.errors import ConfigError

HIDDEN = 100
"""Width of the hidden layer of 2L and LRL: not below the number of classes, so that 2L spans the same maps as 1L."""


def one_linear(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """1L: one linear layer.

    Args:
        in_shape: Any shape without a zero: ``(D,)`` for codes, ``(C,H,W)`` for images.
        n_classes: Number of logits.

    Raises:
        ConfigError: An empty shape.
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(_width("latent-1l", in_shape), n_classes))


def two_linear(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """2L: two linear layers with nothing between, a linear map as 1L is; arguments as there."""
    width = _width("latent-2l", in_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(width, HIDDEN), nn.Linear(HIDDEN, n_classes))


def linear_relu_linear(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """LRL: a ReLU between two linear layers; arguments as of `one_linear`."""
    width = _width("latent-lrl", in_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_classes))


def _width(name: str, in_shape: tuple[int, ...]) -> int:
    if not in_shape or min(in_shape) < 1:
        raise ConfigError(f"classifier {name!r} reads inputs of at least one value, got the shape {in_shape}")
    return math.prod(in_shape)
