"""The network that the authors' code puts behind the front end."""

from __future__ import annotations

from torch import nn

from frontdef.classifiers.network import check_image_shape


def polarize_cnn(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Two 5x5 convolutions without padding (32 and 64 channels), each with 2x2 max-pooling, and a hidden layer of 100.

    The paper calls it the small network of Madry et al. 2018, which keeps the size in its convolutions and has a hidden
    layer of 1024; that one is ``small-cnn``.

    Args:
        in_shape: ``(C,H,W)``, at least 16x16.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    channels, height, width = check_image_shape("polarize-cnn", in_shape, 16)
    flat = 64 * (((height - 4) // 2 - 4) // 2) * (((width - 4) // 2 - 4) // 2)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(flat, 100),
        nn.ReLU(),
        nn.Linear(100, n_classes),
    )
