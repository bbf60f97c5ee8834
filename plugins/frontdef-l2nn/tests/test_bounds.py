"""Bounds of operator norms: never below the singular value found by brute force, and how far above it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from frontdef_l2nn import bounds
from torch import nn

GEOMETRIES = [
    # in, out, side, kernel, stride, padding
    (1, 1, 6, 3, 1, 1),
    (1, 4, 8, 5, 1, 2),
    (3, 2, 7, 3, 1, 1),
    (2, 3, 6, 3, 2, 1),
    (2, 2, 9, 5, 2, 2),
    (2, 3, 7, 3, 3, 0),
    (3, 3, 5, 1, 1, 0),
    (2, 2, 4, 7, 1, 3),
    (2, 2, 2, 5, 1, 2),
]


def convolution(geometry, seed):
    n_in, n_out, side, kernel, stride, padding = geometry
    torch.manual_seed(seed)
    return nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding).requires_grad_(False), (n_in, side, side)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (40, 7), (1, 9), (6, 6)])
def test_a_matrix_has_its_largest_singular_value(shape, reference):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    true = reference.norm(weight.double().numpy())
    assert true <= bounds.linear_norm(weight) <= true * (1 + 3e-6)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_convolution_is_bounded_and_tightly(geometry, seed, reference):
    """Never below; above by at most a fifth where the image is larger than the kernel."""
    conv, shape = convolution(geometry, seed)
    true = reference.norm(reference.jacobian(conv, shape))
    bound = bounds.conv_norm(conv.weight, shape[1:], conv.stride[0], conv.padding[0])
    assert true <= bound
    if shape[1] > conv.kernel_size[0]:
        assert bound <= 1.2 * true


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_the_torus_is_never_above_the_cheap_bound(geometry):
    """So the divisor of training is a bound, too."""
    conv, shape = convolution(geometry, 2)
    overlap = bounds.windows(conv.kernel_size[0], conv.stride[0])
    torus = bounds.conv_norm(conv.weight, shape[1:], conv.stride[0], conv.padding[0])
    assert torus <= float(bounds.divisor(conv.weight.double(), overlap)) * (1 + 2e-6)


def test_convolutions_whose_norm_is_known():
    """A multiple of the identity, and a sum over a window: at frequency 0 it is 9, whatever the image."""
    identity = torch.zeros(1, 1, 3, 3)
    identity[0, 0, 1, 1] = -2
    assert bounds.conv_norm(identity, (5, 5), 1, 1) == pytest.approx(2, rel=2e-6)
    assert bounds.conv_norm(torch.ones(1, 1, 3, 3), (50, 40), 1, 1) == pytest.approx(9, rel=2e-6)
    # Windows that don't overlap: each output is a sum of four values, √4 at most.
    assert bounds.conv_norm(torch.ones(1, 1, 2, 2), (8, 8), 2, 0) == pytest.approx(2, rel=2e-6)


def test_the_images_own_torus_would_be_no_bound(reference):
    """Why the torus is larger than the image: (1 -1 1) on three pixels; zero-padded, it has the eigenvalue -1-√2.

    Circular on three pixels, it has the frequencies 0 and ±2π/3 alone, where the symbol is 1 and -2.
    """
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False).requires_grad_(False)
    conv.weight.zero_()[0, 0, 1] = torch.tensor([1.0, -1.0, 1.0])
    wrapped = torch.fft.fft2(conv.weight, s=(3, 3)).abs().max()
    bound = bounds.conv_norm(conv.weight, (3, 3), 1, 1)
    true = reference.norm(reference.jacobian(conv, (1, 3, 3)))
    assert float(wrapped) == pytest.approx(2)
    assert true == pytest.approx(1 + math.sqrt(2))
    assert true <= bound <= 3 * (1 + 2e-6)


def test_windows_count_the_overlap():
    assert [bounds.windows(*pair) for pair in [(5, 1), (2, 2), (3, 2), (2, 1), (5, 2), (1, 1)]] == [25, 1, 4, 4, 9, 1]


def test_the_divisor_by_hand():
    """(1 1; 0 1): WWᵀ = (2 1; 1 1) has the row sums 3 and 2, so √3; Hölder gives √(2·2). The norm is 1.618."""
    weight = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert float(bounds.divisor(weight)) == pytest.approx(math.sqrt(3))
    # One row (3 4): WWᵀ = (25), Hölder √(7·4).
    assert float(bounds.divisor(torch.tensor([[3.0, 4.0]]))) == pytest.approx(5)
    # A 1x1 kernel of 2 by 2 channels is a matrix; with overlap 4 the rows count twice.
    assert float(bounds.divisor(weight.view(2, 2, 1, 1), 1)) == pytest.approx(math.sqrt(3))


def test_the_excess_by_hand():
    """(1 1 1): WWᵀ = (3) exceeds 1 by 2; WᵀW has three rows of sum 3, 6 in all. And it is 0 where nothing exceeds 1."""
    wide = torch.ones(1, 3)
    assert float(bounds.excess(wide)) == float(bounds.excess(wide.T)) == 2
    # Diagonal (2, 1/2): 4 and 1/4, of which only the first exceeds 1.
    assert float(bounds.excess(torch.diag(torch.tensor([2.0, 0.5])))) == 3
    assert float(bounds.excess(torch.eye(4))) == 0
    assert float(bounds.excess(torch.ones(1, 1, 1, 3))) == 2


@pytest.mark.parametrize("scale", [0.2, 1.0])
def test_the_excess_is_that_of_loops(scale):
    generator = np.random.default_rng(0)
    for shape in [(1, 1), (2, 5), (5, 2), (3, 3), (1, 4), (6, 4)]:
        weight = scale * generator.standard_normal(shape)
        totals = [
            sum(max(sum(abs(value) for value in row) - 1, 0) for row in matrix)
            for matrix in (weight @ weight.T, weight.T @ weight)
        ]
        assert float(bounds.excess(torch.from_numpy(weight))) == pytest.approx(min(totals))


@pytest.mark.parametrize("block", [1, 2, 3, 256])
def test_the_excess_and_its_gradient_do_not_depend_on_how_it_is_computed(monkeypatch, block):
    monkeypatch.setattr(bounds, "BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    chosen = set()
    for scale in (0.4, 0.7, 1.0):
        for shape in [(2, 3), (3, 4), (4, 3), (5, 5), (2, 9)] * 20:
            weight = (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).requires_grad_()
            grams = (weight @ weight.T, weight.T @ weight)
            totals = [(gram.abs().sum(1) - 1).clamp_min(0).sum() for gram in grams]
            excess = bounds.excess(weight)
            assert excess.item() == pytest.approx(min(totals).item())
            if abs(totals[0] - totals[1]) > 1e-6:
                less = min(totals)
                chosen.add((less is totals[0]) == (shape[0] <= shape[1]))
                (expected,) = torch.autograd.grad(less, weight, retain_graph=True)
                torch.testing.assert_close(torch.autograd.grad(excess, weight)[0], expected)
    assert chosen == {True, False}, "both of the matrices are the smaller one somewhere"


def test_the_excess_may_be_that_of_the_larger_matrix():
    """WWᵀ has the row sums 0.85 and 3.4, WᵀW 0.3, 3.19 and 0.4: 2.4 against 2.19. The gradient is the latter's."""
    weight = torch.tensor([[0.3, -0.3, 0.4], [0.0, -1.7, 0.0]], requires_grad=True)
    excess = bounds.excess(weight)
    assert float(excess.detach()) == pytest.approx(2.19)
    assert float(bounds.excess(weight.detach().T)) == pytest.approx(2.19)
    (gradient,) = torch.autograd.grad(excess, weight)
    # With columns a, b, c the only row above 1 is b·b + |a·b| + |b·c|: towards b₂ 2·1.7 in size, towards a₁ |b₁|.
    assert float(gradient[1, 1]) == pytest.approx(-3.4)
    assert float(gradient[0, 0]) == pytest.approx(0.3)


def test_the_excess_has_the_gradient_of_the_smaller_matrix():
    """(2): L = w² - 1, so the derivative is 2w = 4."""
    weight = torch.tensor([[2.0]], requires_grad=True)
    bounds.excess(weight).backward()
    assert weight.grad.item() == 4
