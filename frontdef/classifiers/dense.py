"""Fully connected networks, for images and for vectors."""

from __future__ import annotations

import math

from torch import nn

from frontdef.errors import ConfigError

HIDDEN = 10


def fc2(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The network of "Toward Robust Neural Networks via Sparsification" (2018): a hidden layer of 10 with ReLU.

    There it has one sigmoid output for two classes; here it has two logits, whose difference is that output's argument.

    Args:
        in_shape: Any shape without a zero, such as ``(C,H,W)`` or ``(D,)``.
        n_classes: Number of logits.

    Raises:
        ConfigError: An empty shape.
    """
    _check("fc2", in_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(in_shape), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_classes))


def linear(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """One linear layer.

    Args:
        in_shape: Any shape without a zero, such as ``(C,H,W)`` or ``(D,)``.
        n_classes: Number of logits.

    Raises:
        ConfigError: An empty shape.
    """
    _check("linear", in_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(in_shape), n_classes))


def _check(name: str, in_shape: tuple[int, ...]) -> None:
    if not in_shape or min(in_shape) < 1:
        raise ConfigError(f"classifier {name!r} reads inputs of at least one value, got the shape {in_shape}")
