"""Which network is divided into a front end and its last layer."""

from __future__ import annotations

from torch import nn

from frontdef.errors import ConfigError
from frontdef.lazy import resolve
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
    # How many classes there are is the last layer's business.
    whole = resolve(get_classifier(network).builder)(image_shape, 2)
    if not isinstance(whole, nn.Sequential) or not isinstance(whole[-1], nn.Linear):
        raise ConfigError(
            f"network {network!r} is a {type(whole).__name__} that does not end in a linear layer, so it can't be "
            "divided: name fc2, cnn4, small-cnn or a classifier that is an nn.Sequential with nn.Linear at its end"
        )
    check_bounded(whole[:-1], network)
    return whole[:-1]
