"""The two bodies: everything up to the last layer, images in, a vector out."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from frontdef.errors import ConfigError
from frontdef_l2nn.config import L2NNConfig
from frontdef_l2nn.layers import Conv2d, Flatten, Linear, NormPool2d, Residual, Sequential, TwoSidedReLU


def convnet(config: L2NNConfig, image_shape: tuple[int, ...]) -> Sequential:
    """Convolution, two-sided ReLU and norm pooling, once a width; then a hidden layer with a two-sided ReLU.

    With the defaults on 28x28: 1→32 and 64→64, 5x5, each pooled by 2x2, and 6272→1024; 2048 values come out.

    Args:
        config: Sizes and constraint.
        image_shape: ``(C,H,W)``.

    Raises:
        ConfigError: Images that are pooled away.
    """
    widths, kernel = config.shape()
    channels, *size = image_shape
    layers: list[nn.Module] = []
    for width in widths:
        layers += [*_convolution(config, channels, width, kernel), NormPool2d(config.pool, config.pool_stride)]
        channels, size = 2 * width, _pooled(config, size, image_shape, len(widths))
    return Sequential(*layers, *_hidden(config, channels * size[0] * size[1]))


def resnet(config: L2NNConfig, image_shape: tuple[int, ...]) -> Sequential:
    """Stages of residual blocks, each stage after a convolution and before norm pooling; then the hidden layer.

    A block's branch is two convolutions with a two-sided ReLU each. The number of channels changes in the convolution
    before a stage, so that every shortcut is the identity. Nothing is normalized over the batch.

    Args:
        config: Sizes and constraint.
        image_shape: ``(C,H,W)``.

    Raises:
        ConfigError: Images that are pooled away.
    """
    widths, kernel = config.shape()
    channels, *size = image_shape
    layers: list[nn.Module] = []
    for width in widths:
        layers += _convolution(config, channels, width, kernel)
        channels = 2 * width
        for _ in range(config.blocks):
            branch = Sequential(*(layer for _ in range(2) for layer in _convolution(config, channels, width, kernel)))
            layers.append(Residual(branch, config.constraint))
        layers.append(NormPool2d(config.pool, config.pool_stride))
        size = _pooled(config, size, image_shape, len(widths))
    return Sequential(*layers, *_hidden(config, channels * size[0] * size[1]))


NETWORKS: dict[str, Callable[[L2NNConfig, tuple[int, ...]], Sequential]] = {"convnet": convnet, "resnet": resnet}
"""By `L2NNConfig.network`."""


def _convolution(config: L2NNConfig, n_in: int, n_out: int, kernel: int) -> list[nn.Module]:
    convolution = Conv2d(
        n_in, n_out, kernel, constraint=config.constraint, divide_input=config.divide_before_convolution
    )
    return [convolution, TwoSidedReLU()]


def _hidden(config: L2NNConfig, n_in: int) -> list[nn.Module]:
    return [Flatten(), Linear(n_in, config.hidden, config.constraint), TwoSidedReLU()]


def _pooled(config: L2NNConfig, size: list[int], image_shape: tuple[int, ...], times: int) -> list[int]:
    after = [(side - config.pool) // (config.pool_stride or config.pool) + 1 for side in size]
    if min(after) < 1:
        raise ConfigError(
            f"images of {image_shape[1]}x{image_shape[2]} are too small to be pooled {times} times by windows of "
            f"{config.pool}: give fewer widths, or pool = 1"
        )
    return after
