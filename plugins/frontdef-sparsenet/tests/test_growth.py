"""Theorem 2: the γs by hand, and that no perturbation grows by more."""

from __future__ import annotations

import copy

import pytest
import torch
from frontdef_sparsenet.growth import check_bounded, gamma, growth
from torch import nn

from frontdef.errors import ConfigError


def test_gamma_by_hand():
    assert gamma(torch.tensor([[1.0, -2.0], [0.5, 0.5]])) == 3
    kernels = torch.tensor([[[[1.0, -1.0], [2.0, 0.0]]], [[[0.5, 0.0], [0.0, 0.0]]]])
    assert gamma(kernels) == 4


def test_growth_by_hand():
    """γ = 3, then 2: a perturbation grows by 6 at most, and sgn of the first row makes it do so."""
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 1)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -2.0], [0.5, 0.5]]))
        second.weight.copy_(torch.tensor([[2.0, 0.0]]))
    network = nn.Sequential(first, nn.ReLU(), second)
    grown = growth(network)
    assert grown.gammas == (3.0, 2.0)
    assert grown.factor == pytest.approx(6, rel=1e-8)
    x, e = torch.tensor([[0.8, 0.1]]), 0.05 * torch.tensor([[1.0, -1.0]])
    torch.testing.assert_close(network(x + e) - network(x), torch.tensor([[0.3]]))


def test_rounding_by_hand():
    """x ↦ 3·(2x + 1): with u the error of a sum of two terms, 3u after the first layer, whose output is 3 at most.

    The second one multiplies that by 3 and adds u·3·3: 18u. Two terms cost four units of 2⁻²⁴, float64's included.
    """
    first, second = nn.Linear(1, 1), nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        for parameter, value in [(first.weight, 2.0), (first.bias, 1.0), (second.weight, 3.0)]:
            parameter.fill_(value)
    assert growth(nn.Sequential(first, nn.ReLU(), second)).rounding == pytest.approx(18 * 4 * 2**-24, rel=1e-5)


def random_network(kind):
    torch.manual_seed(0)
    if kind == "dense":
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 20), nn.ReLU())
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(6, 5),
    )


@pytest.mark.parametrize("kind", ["dense", "convolutions"])
def test_nothing_grows_by_more(kind):
    network = random_network(kind).eval()
    x = torch.rand(200, 1, 8, 8)
    for eps in (0.01, 0.1, 0.5):
        e = eps * torch.randn_like(x).sign()
        with torch.no_grad():
            moved = (network(x + e) - network(x)).abs().max().item()
        assert 0 < moved <= eps * growth(network).factor


@pytest.mark.parametrize("kind", ["dense", "convolutions"])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_rounding_is_bounded(kind, scale):
    network = random_network(kind).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(scale)
        x = torch.cat([torch.rand(500, 1, 8, 8), torch.ones(1, 1, 8, 8)])
        exact = copy.deepcopy(network).double()(x.double())
        apart = (network(x).double() - exact).abs().max().item()
    assert 0 < apart <= growth(network).rounding


@pytest.mark.parametrize(
    "layer", [nn.Tanh(), nn.BatchNorm2d(3), nn.Sequential(nn.ReLU()), nn.Conv2d(1, 1, 3, padding_mode="circular")]
)
def test_layers_without_a_bound(layer):
    with pytest.raises(ConfigError, match=rf"'odd' holds a {type(layer).__name__}.*fc2, cnn4 and small-cnn"):
        check_bounded(nn.Sequential(layer), "odd")
