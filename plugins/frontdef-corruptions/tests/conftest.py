"""Images to corrupt, and a model whose answers are known."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, nn

from frontdef import Config, Protected
from frontdef.frontend import Identity
from frontdef.testing import cache, images, one_thread, own_cache  # noqa: F401


@pytest.fixture
def draws():
    return Generator().manual_seed(0)


class Bright(nn.Module):
    """Class 1 where the mean value is above a half."""

    def forward(self, x):
        mean = x.mean(dim=(1, 2, 3))
        return torch.stack([0.5 - mean, mean - 0.5], dim=1)


@pytest.fixture
def bright():
    return Protected(Identity(Config()), Bright(), image_shape=(1, 28, 28))
