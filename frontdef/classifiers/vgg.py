"""VGG-16 with batch norm for small images (Simonyan and Zisserman 2015, arXiv:1409.1556)."""

from __future__ import annotations

from torch import nn

from frontdef.classifiers.network import check_image_shape

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of the convolutions before each pooling."""

NARROW = 8
"""What the narrow one divides the channels by: a 64th of the work."""


def vgg16_bn(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Thirteen 3x3 convolutions, each with batch norm and ReLU, five poolings and one linear layer.

    Args:
        in_shape: ``(C,H,W)``, at least 32x32.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _vgg("vgg16-bn", in_shape, n_classes, 1)


def vgg16_bn_narrow(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The same with an eighth of the channels, which a processor without an accelerator can train.

    Args:
        in_shape: ``(C,H,W)``, at least 32x32.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _vgg("vgg16-bn-narrow", in_shape, n_classes, NARROW)


def _vgg(name: str, in_shape: tuple[int, ...], n_classes: int, divisor: int) -> nn.Module:
    channels, height, width = check_image_shape(name, in_shape, 2 ** len(STAGES))
    layers: list[nn.Module] = []
    for n_filters, count in STAGES:
        for _ in range(count):
            n_out = n_filters // divisor
            layers += [nn.Conv2d(channels, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
            channels = n_out
        layers.append(nn.MaxPool2d(2))
    n_features = channels * (height // 2 ** len(STAGES)) * (width // 2 ** len(STAGES))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_features, n_classes))
