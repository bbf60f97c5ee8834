"""Two small convolutional networks for small images."""

from __future__ import annotations

from torch import nn

from frontdef.classifiers.network import check_image_shape


def small_cnn(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The MNIST network of Madry et al. 2018 (arXiv:1706.06083), here for any image size.

    Two 5x5 convolutions that keep the size (32 and 64 channels), each with ReLU and 2x2 max-pooling, then a hidden
    layer of 1024.

    Args:
        in_shape: ``(C,H,W)``, at least 4x4.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    channels, height, width = check_image_shape("small-cnn", in_shape, 4)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * (height // 4) * (width // 4), 1024),
        nn.ReLU(),
        nn.Linear(1024, n_classes),
    )


def cnn4(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The 4-layer network of "Toward Robust Neural Networks via Sparsification" (2018), here for any image size.

    A 5x5 convolution that keeps the size (20 channels), one that does not (40), each with ReLU and 2x2 max-pooling,
    then two hidden layers of 1000 with dropout 0.5. The authors' code drops logits in training, too; the paper does not
    say so, and it is not done here.

    Args:
        in_shape: ``(C,H,W)``, at least 12x12.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    channels, height, width = check_image_shape("cnn4", in_shape, 12)
    flat = 40 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
    return nn.Sequential(
        nn.Conv2d(channels, 20, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 40, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(flat, 1000),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(1000, 1000),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(1000, n_classes),
    )
