"""The reference: numpy, one patch at a time, as the equations have it. And one small trained model for all tests."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from frontdef_sparsecode.config import FixedSparseCodeConfig, SparseCodeConfig
from frontdef_sparsecode.front_end import FixedSparseCode, SparseCode
from torch import nn

from frontdef import Protected, Stage
from frontdef.registry import get_dataset
from frontdef.testing import cache, images, one_thread, own_cache  # noqa: F401
from frontdef.training import fit_classifier, prepare

SHAPE = (1, 28, 28)
SMALL = {"atoms": 48, "top": 8, "iterations": 40, "widths": (10, 6)}
"""Trains in seconds."""


def encode(image, atoms, config, top):
    """Code (L,h,w) of one image (C,H,W): eq. 4.5 without dropout, eq. 4.6, patch by patch and atom by atom."""
    settings = config.settings(image.shape)
    n, stride, threshold = settings.patch, settings.stride, config.beta * settings.eps
    rows, columns = ((side - n) // stride + 1 for side in image.shape[1:])
    code = np.zeros((len(atoms), rows, columns), dtype=np.float32)
    norms = np.abs(atoms.astype(np.float64)).sum(axis=(1, 2, 3)).astype(np.float32)
    for i in range(rows):
        for j in range(columns):
            patch = image[:, i * stride : i * stride + n, j * stride : j * stride + n].astype(np.float64)
            values = np.array([(atom.astype(np.float64) * patch).sum() for atom in atoms]).astype(np.float32)
            for atom in sorted(range(len(atoms)), key=lambda k: (-abs(values[k]), k))[:top]:
                if abs(values[atom]) >= np.float32(threshold) * norms[atom]:
                    code[atom, i, j] = (np.sign(values[atom]) if config.signed else 1) * norms[atom]
    return code


@pytest.fixture(scope="session")
def reference():
    return SimpleNamespace(encode=encode)


@pytest.fixture(scope="session")
def make():
    """make(randomized, shape, surrogate, **config): a front end with random atoms and weights, always the same."""

    def build(randomized=False, shape=SHAPE, surrogate=None, **config):
        kind, of = (SparseCode, SparseCodeConfig) if randomized else (FixedSparseCode, FixedSparseCodeConfig)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return kind(of(**config), image_shape=shape, surrogate=surrogate).eval()

    return build


def linear():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


@pytest.fixture(scope="session")
def digits():
    """Training and test samples."""
    data = get_dataset("digits")
    return SimpleNamespace(train=data.load("train").take(400, 0), test=data.load("test").take(150, 0))


@pytest.fixture(scope="session")
def trained(make, digits):
    """trained(randomized): a small model that learned the digits; made once."""
    made = {}

    def get(randomized=False):
        if randomized not in made:
            front_end = make(randomized, **SMALL, **({"dropout": 0.5} if randomized else {}))
            prepare(front_end, digits.train.images, seed=0)
            classifier = linear()
            stages = (Stage(epochs=8, lr=3e-3, final_lr=1e-4, batch_size=32),)
            fit_classifier(front_end, classifier, digits.train, stages, seed=0)
            made[randomized] = Protected(front_end, classifier, image_shape=SHAPE)
        return made[randomized]

    return get
