"""ResNet-18 for small images, with batch norm after each convolution (He et al. 2015, arXiv:1512.03385)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.classifiers.network import check_image_shape

WIDTHS = (64, 128, 256, 512)
BLOCKS = 2
NARROW = 8
"""What the narrow one divides the widths by: a 64th of the work."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to the input; a 1x1 convolution where the shape changes.

    Args:
        n_in: Channels of the input.
        n_out: Channels of the output.
        stride: 2 halves height and width.
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Sequential()
        if stride > 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """``(N,n_in,H,W)`` to ``(N,n_out,⌈H/stride⌉,⌈W/stride⌉)``."""
        hidden = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(hidden + self.shortcut(x))


def resnet18(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """ResNet-18 with a 3x3 stem and no pooling before the blocks, as it is used for CIFAR-10.

    Args:
        in_shape: ``(C,H,W)``, at least 8x8.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _resnet("resnet18", in_shape, n_classes, WIDTHS)


def resnet18_narrow(in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The same with an eighth of the channels (8, 16, 32, 64), which a processor without an accelerator can train.

    Args:
        in_shape: ``(C,H,W)``, at least 8x8.
        n_classes: Number of logits.

    Raises:
        ConfigError: Another shape.
    """
    return _resnet("resnet18-narrow", in_shape, n_classes, tuple(width // NARROW for width in WIDTHS))


def _resnet(name: str, in_shape: tuple[int, ...], n_classes: int, widths: tuple[int, ...]) -> nn.Module:
    channels, _, _ = check_image_shape(name, in_shape, 8)
    layers: list[nn.Module] = [
        nn.Conv2d(channels, widths[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
    ]
    n_in = widths[0]
    for stage, width in enumerate(widths):
        for block in range(BLOCKS):
            layers.append(BasicBlock(n_in, width, 2 if stage and not block else 1))
            n_in = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, n_classes))
