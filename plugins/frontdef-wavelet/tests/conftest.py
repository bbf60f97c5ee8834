"""The reference: PyWavelets and numpy, one image at a time, no torch, no matrices."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import pywt
import torch
from frontdef_wavelet.config import WaveletConfig
from frontdef_wavelet.front_end import WaveletFrontEnd

from frontdef.testing import cache, one_thread, own_cache  # noqa: F401


def decompose(image, config):
    """Flat coefficients (C,M) of an image (C,H,W), and what `recompose` needs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Level value of", UserWarning)
        bands = [pywt.wavedec2(channel, config.wavelet, mode=config.mode, level=config.levels) for channel in image]
    raveled = [pywt.ravel_coeffs(channel) for channel in bands]
    return np.stack([flat for flat, _, _ in raveled]), raveled[0][1:]


def recompose(coefficients, layout, shape, config):
    """Image (C,H,W) from flat coefficients (C,M); the value that pads an odd size is dropped."""
    channels = []
    for flat in coefficients:
        bands = pywt.unravel_coeffs(flat, *layout, output_format="wavedec2")
        channels.append(pywt.waverec2(bands, config.wavelet, mode=config.mode)[: shape[1], : shape[2]])
    return np.stack(channels)


def largest(coefficients, k, channels):
    """Mask of the k largest magnitudes, over the image or in each channel; float32 ties go to the lower index.

    Ties are real: where a border is mirrored, symmetric filters give the same coefficient twice, up to rounding.
    """
    rows = coefficients.reshape(1, -1) if channels == "joint" else coefficients
    mask = np.zeros(rows.shape, dtype=bool)
    for row, magnitudes in zip(mask, np.abs(rows).astype(np.float32), strict=True):
        row[np.argsort(-magnitudes, kind="stable")[:k]] = True
    return mask.reshape(coefficients.shape)


def support(image, k, config):
    """Mask (C,M) of what is kept of an image."""
    return largest(decompose(image, config)[0], k, config.channels)


def project(values, mask, config):
    """Analysis, a given mask, synthesis: P_K(values, x) for the mask of x."""
    coefficients, layout = decompose(values, config)
    return recompose(coefficients * mask, layout, values.shape, config)


def sparsify(images, k, config):
    """The front end on images (N,C,H,W), in float64."""
    outputs = []
    for image in np.asarray(images, dtype=np.float64):
        outputs.append(np.clip(project(image, support(image, k, config), config), 0, 1))
    return np.stack(outputs)


@pytest.fixture(scope="session")
def reference():
    return SimpleNamespace(decompose=decompose, support=support, project=project, sparsify=sparsify)


@pytest.fixture(scope="session")
def make():
    """make(surrogate=…, image_shape=…, **config): a front end."""

    def build(surrogate=None, image_shape=None, **config):
        return WaveletFrontEnd(WaveletConfig(**config), image_shape=image_shape, surrogate=surrogate)

    return build


@pytest.fixture
def images():
    """images(N,C,H,W): uniform in [0,1], the same for the same shape."""

    def draw(*shape, dtype=torch.float32):
        return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)

    return draw
