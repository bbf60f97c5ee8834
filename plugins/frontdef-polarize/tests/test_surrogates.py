"""The gradient: exact through filters and norms, a named derivative in the place of the quantizer's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F


def pulled_back(front_end, x, upstream):
    x = x.clone().requires_grad_()
    return torch.autograd.grad((front_end(x) * upstream).sum(), x)[0]


def derivative(name, z):
    """What is multiplied with the upstream gradient, for thresholds ±0.5."""
    if name == "identity":
        return torch.ones_like(z)
    if name == "smooth:3":
        return sum(12 * s * (1 - s) for s in (torch.sigmoid(12 * (z - c)) for c in (-0.5, 0.5)))
    return sum(3 * ((z - c).abs() < 1 / 6).to(z) for c in (-0.5, 0.5))


@pytest.mark.parametrize("name", ["identity", "smooth:3", "linear:3"])
def test_only_the_quantizer_is_replaced(make, images, name):
    """Upstream times the named derivative at z, then the transposed convolution with w/‖w‖₁."""
    weights = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    front_end, x = make(weights, name, image_shape=(2, 6, 6), padding=1), images(3, 2, 6, 6)
    upstream = torch.randn(3, 4, 6, 6, generator=torch.Generator().manual_seed(3))
    scaled = weights / weights.abs().sum((1, 2, 3), keepdim=True)
    z = F.conv2d(x, scaled, padding=1)
    expected = F.conv_transpose2d(upstream * derivative(name, z), scaled, padding=1)
    torch.testing.assert_close(pulled_back(front_end, x, upstream), expected, rtol=1e-4, atol=1e-6)


def test_the_value_is_the_same_whatever_the_surrogate(make, images):
    x = images(3, 1, 28, 28)
    codes = make()(x)
    for name in ("smooth:7", "linear"):
        assert torch.equal(make(surrogate=name)(x), codes)


def test_the_gradient_towards_the_filters_goes_through_their_norms(make):
    """z = (w₁x₁ + w₂x₂)/(|w₁| + |w₂|) at w = (1, −3), x = (½, 1): ∂z/∂w₁ = (x₁ − z)/4 = (½ + 0.625)/4."""
    front_end = make([[[[1.0, -3.0], [0.0, 0.0]]]], image_shape=(1, 2, 2)).requires_grad_(True)
    with front_end.in_mode("unquantized"):
        front_end(torch.tensor([[[[0.5, 1.0], [0.0, 0.0]]]])).sum().backward()
    gradient = front_end.filters.grad.flatten()
    assert gradient[0].item() == pytest.approx((0.5 + 0.625) / 4)
    assert gradient[1].item() == pytest.approx((1 - 0.625) / 4)  # |w₂| falls as w₂ rises


def test_the_identity_is_the_first_choice(make):
    assert [s.name for s in make().surrogates] == ["identity", "smooth", "linear"]
