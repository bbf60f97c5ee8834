"""Images, the defenses of the table, and a small net."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frontdef_art.table import DEFENSES
from sklearn.datasets import load_digits, load_sample_image
from torch import nn

from frontdef.testing import cache, one_thread, own_cache  # noqa: F401

ROWS = {defense.name: defense for defense in DEFENSES}


@pytest.fixture(scope="session")
def gray():
    """Six handwritten digits, float32 ``(6,1,28,28)``, with the black background that digits have."""
    digits = torch.from_numpy(load_digits().images[:6]).float()[:, None] / 16
    return nn.functional.interpolate(digits, size=(28, 28), mode="bilinear").clamp(0, 1)


@pytest.fixture(scope="session")
def rgb():
    """Four crops of a photograph, float32 ``(4,3,32,32)``, 8-bit values."""
    photo = load_sample_image("china.jpg").transpose(2, 0, 1).astype(np.float32) / 255
    return torch.from_numpy(np.stack([photo[:, y : y + 32, y : y + 32] for y in (60, 150, 240, 330)]))


@pytest.fixture
def build():
    """``build(name, surrogate=None, **config)`` makes a front end of the table."""

    def build(name, surrogate=None, **config):
        return ROWS[name].build(config, surrogate=surrogate)

    return build


@pytest.fixture
def net():
    """``net(front_end, images)`` makes a fixed small classifier behind a front end."""

    def net(front_end, images):
        with torch.no_grad():
            channels = front_end(images[:1]).shape[1]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(nn.Conv2d(channels, 6, 5, stride=2), nn.ELU(), nn.Flatten(), nn.LazyLinear(10)).eval()

    return net
