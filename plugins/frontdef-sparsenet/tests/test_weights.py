"""Pruning and projection, by hand and against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frontdef_sparsenet.weights import into_ball, largest, n_kept


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(7840, 0.03, 235), (100, 0.29, 29), (10, 0.01, 1), (20, 1.0, 20)]
)
def test_how_many_are_kept(count, share, expected):
    assert n_kept(count, share) == expected


def test_the_largest_are_kept():
    weight = torch.tensor([[3.0, -1.0], [0.5, -2.0]])
    assert torch.equal(largest(weight, 0.5), torch.tensor([[3.0, 0.0], [0.0, -2.0]]))
    assert torch.equal(largest(weight, 1.0), weight)
    assert torch.equal(largest(torch.ones(2, 3), 0.34), torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))


def test_only_what_is_kept_gets_a_gradient():
    weight = torch.tensor([[3.0, -1.0], [0.5, -2.0]], requires_grad=True)
    largest(weight, 0.5).sum().backward()
    assert torch.equal(weight.grad, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))


def test_projection_by_hand():
    """(3,1) onto radius 2: θ = 1; (2,−1.5): θ = ¾; (1,−1) lies on the sphere, (0.5,0) inside."""
    weight = torch.tensor([[3.0, 1.0], [2.0, -1.5], [1.0, -1.0], [0.5, 0.0]])
    expected = torch.tensor([[2.0, 0.0], [1.25, -0.75], [1.0, -1.0], [0.5, 0.0]])
    torch.testing.assert_close(into_ball(weight, 2.0), expected)
    assert torch.equal(into_ball(weight, 2.0)[2:], weight[2:])


def slow_projection(row, radius):
    """θ by bisection: the sum of what is left falls with θ."""
    if np.abs(row).sum() <= radius:
        return row
    low, high = 0.0, np.abs(row).max()
    for _ in range(200):
        theta = (low + high) / 2
        low, high = (theta, high) if np.maximum(np.abs(row) - theta, 0).sum() > radius else (low, theta)
    return np.sign(row) * np.maximum(np.abs(row) - high, 0)


@pytest.mark.parametrize("radius", [0.1, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("shape", [(20, 33), (6, 2, 3, 3)], ids=str)
def test_projection_against_bisection(shape, radius):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    own = into_ball(weight, radius)
    for row, projected in zip(weight.flatten(1).numpy(), own.flatten(1).numpy(), strict=True):
        np.testing.assert_allclose(projected, slow_projection(row, radius), rtol=0, atol=1e-12)
    assert own.flatten(1).abs().sum(1).max() <= radius * (1 + 1e-12)


def test_projection_is_differentiable():
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: into_ball(w, 1.5), (weight,), eps=1e-6, atol=1e-8)


def test_a_row_of_zeros_has_a_gradient():
    weight = torch.zeros(2, 3, requires_grad=True)
    into_ball(weight, 1.0).sum().backward()
    assert torch.equal(weight.grad, torch.ones(2, 3))
