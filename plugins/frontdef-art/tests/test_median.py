"""The differentiable median is scipy's function, and its gradient is the derivative."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frontdef_art.median import median_filter
from scipy.ndimage import median_filter as scipy_median


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("shape", [(2, 1, 7, 7), (1, 3, 5, 8), (1, 1, 3, 1)])
def test_value(window, shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(window), dtype=torch.float64)
    expected = scipy_median(x.numpy(), size=(1, 1, window, window), mode="reflect")
    np.testing.assert_array_equal(median_filter(x, window).numpy(), expected)


@pytest.mark.parametrize("window", [2, 3, 5])
def test_gradient_is_the_numerical_derivative_of_scipys_filter(window):
    rng = np.random.default_rng(window)
    x = rng.permutation(36).reshape(1, 1, 6, 6) / 36.0  # no ties, values 1/36 apart
    weights = rng.standard_normal((1, 1, 6, 6))
    numeric, step = np.zeros_like(x), 1e-3
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        filtered = [scipy_median(image, size=(1, 1, window, window), mode="reflect") for image in (up, down)]
        numeric[index] = (weights * (filtered[0] - filtered[1])).sum() / (2 * step)
    inputs = torch.tensor(x, requires_grad=True)
    (grad,) = torch.autograd.grad((median_filter(inputs, window) * torch.from_numpy(weights)).sum(), inputs)
    np.testing.assert_allclose(grad.numpy(), numeric, atol=1e-9)


@pytest.mark.parametrize("name", ["art-spatial-smoothing", "art-spatial-smoothing-pytorch"])
def test_every_output_pixel_gives_its_gradient_to_one_input_pixel_of_the_median_value(name, build, gray):
    assert (gray == 0).any(), "where a clip to [0,1] could lose it"
    x = gray.clone().requires_grad_()
    output = build(name)(x)
    (grad,) = torch.autograd.grad(output.sum(), x)
    assert grad.sum().item() == pytest.approx(output.numel())
    assert torch.equal(grad, grad.round())
    (grad,) = torch.autograd.grad(build(name)(x)[0, 0, 13, 13], x)
    ((_, _, row, column),) = grad.nonzero().tolist()
    assert abs(row - 13) <= 1
    assert abs(column - 13) <= 1
    assert x[0, 0, row, column] == output[0, 0, 13, 13]
