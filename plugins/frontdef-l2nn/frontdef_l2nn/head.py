"""The last layer: a nonexpansive linear classifier of vectors."""

from __future__ import annotations

from frontdef.errors import ConfigError
from frontdef_l2nn.layers import Constraint, Linear


def head(in_shape: tuple[int, ...], n_classes: int) -> Linear:
    """One linear layer, held down by the penalty alone.

    Args:
        in_shape: ``(D,)``; 2048 in the paper.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _head("l2nn-head", in_shape, n_classes, "regularize")


def divided_head(in_shape: tuple[int, ...], n_classes: int) -> Linear:
    """The same, divided by its proved bound in every pass.

    Args:
        in_shape: ``(D,)``.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _head("l2nn-head-divided", in_shape, n_classes, "divide")


def _head(name: str, in_shape: tuple[int, ...], n_classes: int, constraint: Constraint) -> Linear:
    if len(in_shape) != 1:
        raise ConfigError(
            f"classifier {name!r} reads the vectors (D,) of the front end 'l2nn', got the shape {in_shape}; 'fc2' "
            "reads inputs of any shape"
        )
    return Linear(in_shape[0], n_classes, constraint)
