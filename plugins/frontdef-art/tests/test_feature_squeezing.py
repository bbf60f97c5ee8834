"""The surrogates of bit depth reduction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from frontdef.errors import ConfigError


def _slopes(build, surrogate, bits, x):
    inputs = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(build("art-feature-squeezing", surrogate, bit_depth=bits)(inputs).sum(), inputs)
    return grad


def test_identity_and_smooth(build):
    x = torch.linspace(0, 1, 21).view(1, 1, 3, 7)
    assert (_slopes(build, "identity", 2, x) == 1).all()
    s = 1 / (1 + np.exp(-20 * (x.numpy()[..., None].astype(np.float64) - np.array([1, 3, 5]) / 6)))
    np.testing.assert_allclose(_slopes(build, "smooth:5", 2, x).numpy(), (20 * s * (1 - s)).sum(-1) / 3, rtol=1e-4)


def test_smooth_ends_at_8_bits(build):
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    assert (_slopes(build, "smooth", 8, x.detach()) > 0.4).all()
    with pytest.raises(ConfigError, match=r"bit_depth=9.*identity"):
        build("art-feature-squeezing", "smooth", bit_depth=9)(x)
