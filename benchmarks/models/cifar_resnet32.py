"""A pre-activation ResNet-32 for CIFAR-10 as a user would bring it: a file that builds it, and somebody's checkpoints.

    [[model]]
    name = "trades"
    source = "models/cifar_resnet32.py:build"
    weights = "models/cifar/trades.pt"

The network of Bakiskan, *Structural Defense Techniques in Adversarial Machine Learning* (2022), section 4.2, under the
names of its published weights. It normalizes inside and reads float32 ``(N,3,32,32)`` in [0,1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1
UNITS = 5
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)


class Unit(nn.Module):
    """Two 3x3 convolutions, each after normalization and leaky ReLU, beside a shortcut without weights.

    Args:
        n_in: Channels of the input.
        n_out: Channels of the output.
        stride: 2 halves height and width.
        exchanged: Whether the shortcut is activated in place of the main branch, as in the first unit of these weights.
    """

    def __init__(self, n_in: int, n_out: int, stride: int = 1, *, exchanged: bool = False) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.stride, self.exchanged, self.zeros = stride, exchanged, (n_out - n_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        """``(N,n_in,H,W)`` to ``(N,n_out,H/stride,W/stride)``."""
        active = F.leaky_relu(self.bn1(x), SLOPE)
        main, shortcut = (x, active) if self.exchanged else (active, x)
        if self.zeros:
            shortcut = F.pad(F.avg_pool2d(shortcut, self.stride), (0, 0, 0, 0, self.zeros, self.zeros))
        hidden = F.leaky_relu(self.bn2(self.conv1(main)), SLOPE)
        return shortcut + self.conv2(hidden)


class ResNet32(nn.Module):
    """Three blocks of five units with 16, 32 and 64 channels, mean over the image, 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.block1 = nn.Sequential(Unit(16, 16, exchanged=True), *(Unit(16, 16) for _ in range(UNITS - 1)))
        self.block2 = nn.Sequential(Unit(16, 32, 2), *(Unit(32, 32) for _ in range(UNITS - 1)))
        self.block3 = nn.Sequential(Unit(32, 64, 2), *(Unit(64, 64) for _ in range(UNITS - 1)))
        self.bn1 = nn.BatchNorm2d(64)
        self.linear = nn.Linear(64, 10)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N,3,32,32)`` in [0,1] to ``(N,10)``."""
        x = self.block3(self.block2(self.block1(self.conv1((x - self.mean) / self.std))))
        logits: Tensor = self.linear(F.leaky_relu(self.bn1(x), SLOPE).mean((2, 3)))
        return logits


def build() -> nn.Module:
    """The untrained network."""
    return ResNet32()
