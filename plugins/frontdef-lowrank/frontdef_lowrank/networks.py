"""The networks of the report, and how any other one is divided into a front end and its last layer."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from frontdef.errors import UnknownNameError
from frontdef.registry import get_classifier, get_classifiers

ImageShape = tuple[int, ...]


def _one_linear(image_shape: ImageShape, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten())


def _two_linear(image_shape: ImageShape, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), width))


def _linear_relu_linear(image_shape: ImageShape, width: int) -> nn.Sequential:
    return nn.Sequential(*_two_linear(image_shape, width), nn.ReLU())


BODIES: dict[str, Callable[[ImageShape, int], nn.Sequential]] = {
    "1l": _one_linear,
    "2l": _two_linear,
    "lrl": _linear_relu_linear,
}
"""The report's classifiers (section 2.3) without their last layer.

It calls 1L "1 linear hidden layer" and yet equivalent to 2L: only then, if 1L is one linear layer in all, and 2L two of
them without anything in between.
"""


def body(network: str, image_shape: ImageShape, width: int) -> nn.Sequential:
    """A network without its last linear layer, untrained; its weights are drawn by the global generator.

    Args:
        network: One of `BODIES`, or the id of a classifier.
        image_shape: ``(C,H,W)``.
        width: Hidden units of the networks of `BODIES`.

    Raises:
        UnknownNameError: Neither.
        ConfigError: A classifier that is no sequence of layers with a linear one at its end, or that can't read the
            images.
    """
    if network in BODIES:
        return BODIES[network](image_shape, width)
    known = {classifier.name for classifier in get_classifiers()}
    if network not in known:
        raise UnknownNameError("network", network, [*BODIES, *known], "`frontdef ls classifiers` lists the others.")
    return get_classifier(network).without_last(image_shape)
