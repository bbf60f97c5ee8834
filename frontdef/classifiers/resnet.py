"""Residual networks with pre-activation units (He et al. 2016, arXiv:1603.05027) for small color images."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.classifiers.network import check_image_shape

SLOPE = 0.1
WIDTHS = (16, 16, 32, 64)
UNITS = 5


class Unit(nn.Module):
    """Normalization, leaky ReLU and a 3x3 convolution, twice, added to a shortcut without weights.

    Where the size changes, the shortcut averages over 2x2 pixels and pads the new channels with zeros, half on each
    side.

    Args:
        n_in: Channels of the input.
        n_out: Channels of the output.
        stride: 2 halves height and width.
        activate_shortcut: Whether the shortcut, too, starts after the first normalization and ReLU.
    """

    def __init__(self, n_in: int, n_out: int, stride: int, activate_shortcut: bool) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.stride = stride
        self.activate_shortcut = activate_shortcut
        self.padding = ((n_out - n_in) // 2, n_out - n_in - (n_out - n_in) // 2)

    def forward(self, x: Tensor) -> Tensor:
        """``(N,n_in,H,W)`` to ``(N,n_out,⌈H/stride⌉,⌈W/stride⌉)``."""
        active = F.leaky_relu(self.norm1(x), SLOPE)
        shortcut = active if self.activate_shortcut else x
        if self.stride > 1:
            # ceil_mode, because the padded convolution rounds odd sizes up.
            shortcut = F.avg_pool2d(shortcut, self.stride, ceil_mode=True)
        shortcut = F.pad(shortcut, (0, 0, 0, 0, *self.padding))
        hidden = F.leaky_relu(self.norm2(self.conv1(active)), SLOPE)
        return cast(Tensor, shortcut + self.conv2(hidden))


def resnet32(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The CIFAR network of Madry et al. 2018 (arXiv:1706.06083) in its narrow form: 3 blocks of 5 units.

    In the very first unit both branches start from the activated tensor, as in the original; a later PyTorch version
    (Bakiskan et al. 2022) leaves the main branch of that unit without activation.

    Args:
        in_shape: ``(C,H,W)``, at least 4x4.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    channels, _, _ = check_image_shape("resnet32", in_shape, 4)
    units = [
        Unit(
            n_in=WIDTHS[block] if unit == 0 else WIDTHS[block + 1],
            n_out=WIDTHS[block + 1],
            stride=2 if block > 0 and unit == 0 else 1,
            activate_shortcut=block == 0 and unit == 0,
        )
        for block in range(3)
        for unit in range(UNITS)
    ]
    return nn.Sequential(
        nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False),
        *units,
        nn.BatchNorm2d(WIDTHS[-1]),
        nn.LeakyReLU(SLOPE),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(WIDTHS[-1], n_classes),
    )
