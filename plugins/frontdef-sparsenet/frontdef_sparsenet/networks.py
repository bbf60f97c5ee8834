"""Which network is divided into a front end and its last layer."""

from __future__ import annotations

from torch import nn

from frontdef.registry import get_classifier
from frontdef_sparsenet.growth import check_bounded


def body(network: str, image_shape: tuple[int, ...]) -> nn.Sequential:
    """A classifier without its last linear layer, untrained; its weights are drawn by the global generator.

    Args:
        network: Id of the classifier.
        image_shape: ``(C,H,W)``.

    Raises:
        UnknownNameError: No such classifier.
        ConfigError: One that does not end in a linear layer, can't read the images, or holds a layer whose growth is
            not bounded.
    """
    layers = get_classifier(network).without_last(image_shape)
    check_bounded(layers, network)
    return layers
