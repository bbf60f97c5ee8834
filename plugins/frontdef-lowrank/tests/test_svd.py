"""Equation 1 and what is done with it, against decompositions worked out by hand and against eigenvectors by numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from frontdef_lowrank.svd import as_matrix, attenuate, n_bottom, spectrum

from frontdef.errors import ConfigError

# WᵀW = [[25,−15],[−15,25]] has the eigenvalues 40 and 10, with (1,−1)/√2 and (1,1)/√2. The bottom part is W·v·vᵀ for
# the latter: W·(1,1)/√2 = (4,−2)/√2, so it is [[2,2],[−1,−1]].
SQUARE = torch.tensor([[4.0, 0.0], [3.0, -5.0]])
SQUARE_BOTTOM = torch.tensor([[2.0, 2.0], [-1.0, -1.0]])
# WᵀW = [[2,1],[1,2]]: 3 and 1, with (1,1)/√2 and (1,−1)/√2; W·(1,−1)/√2 = (1,−1,0)/√2.
TALL = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
TALL_BOTTOM = torch.tensor([[0.5, -0.5], [-0.5, 0.5], [0.0, 0.0]])

BY_HAND = [(SQUARE, SQUARE_BOTTOM), (TALL, TALL_BOTTOM), (TALL.T.contiguous(), TALL_BOTTOM.T.contiguous())]


def test_spectra_by_hand():
    torch.testing.assert_close(spectrum(SQUARE), torch.tensor([math.sqrt(40), math.sqrt(10)], dtype=torch.float64))
    torch.testing.assert_close(spectrum(TALL), torch.tensor([math.sqrt(3), 1.0], dtype=torch.float64))
    kernel = SQUARE.view(2, 1, 1, 2)
    torch.testing.assert_close(spectrum(kernel), spectrum(SQUARE))


@pytest.mark.parametrize(("weight", "bottom"), BY_HAND, ids=["2x2", "3x2", "2x3"])
@pytest.mark.parametrize("factor", [0.0, 0.1, 0.9])
def test_by_hand(weight, bottom, factor):
    torch.testing.assert_close(attenuate(weight, 0.5, factor), weight - (1 - factor) * bottom, rtol=0, atol=1e-6)


def test_a_factor_of_ten_in_full_numbers():
    """[[2,1],[1,2]] is 3 along (1,1) and 1 along (1,−1): zeroed 1.5 everywhere, scaled by 0.1 ±0.05 besides."""
    weight = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    torch.testing.assert_close(attenuate(weight, 0.5, 0), torch.full((2, 2), 1.5))
    torch.testing.assert_close(attenuate(weight, 0.5, 0.1), torch.tensor([[1.55, 1.45], [1.45, 1.55]]))
    torch.testing.assert_close(attenuate(weight, 0.5, 0.9), torch.tensor([[1.95, 1.05], [1.05, 1.95]]))


def test_a_kernel_is_the_matrix_of_its_filters():
    kernel, bottom = SQUARE.view(2, 1, 1, 2), SQUARE_BOTTOM.view(2, 1, 1, 2)
    torch.testing.assert_close(attenuate(kernel, 0.5, 0), kernel - bottom)
    assert as_matrix(torch.zeros(6, 3, 5, 5)).shape == (6, 75)


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(10, 0.4, 4), (10, 0.7, 7), (100, 0.29, 29), (2, 0.4, 0), (3, 0.34, 1), (3, 0.33, 0), (7, 1.0, 7), (7, 0.0, 0)],
)
def test_how_many_are_the_bottom(count, share, expected):
    assert n_bottom(count, share) == expected


@pytest.mark.parametrize("shape", [(7, 12), (12, 7), (6, 2, 3, 3)], ids=str)
@pytest.mark.parametrize(("share", "factor"), [(0.3, 0.0), (0.5, 0.1), (1.0, 0.9)])
def test_against_eigenvectors(shape, share, factor):
    """The bottom of a wide matrix lies along the eigenvectors of W·Wᵀ, of a tall one along those of Wᵀ·W."""
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    matrix = weight.reshape(shape[0], -1).double().numpy()
    wide = matrix.shape[0] <= matrix.shape[1]
    _, vectors = np.linalg.eigh(matrix @ matrix.T if wide else matrix.T @ matrix)  # ascending
    lowest = vectors[:, : int(share * min(matrix.shape) + 1e-9)]
    bottom = lowest @ lowest.T @ matrix if wide else matrix @ lowest @ lowest.T
    own = attenuate(weight, share, factor)
    assert own.shape == weight.shape
    assert own.dtype == torch.float32
    np.testing.assert_allclose(own.reshape(shape[0], -1).numpy(), matrix - (1 - factor) * bottom, rtol=0, atol=1e-6)


def test_zeroing_gives_the_nearest_matrix_of_its_rank():
    """Eckart and Young: the error is the largest singular value that was zeroed, the rank what is left."""
    weight = torch.randn(9, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    own = attenuate(weight, 0.4, 0)
    values = spectrum(weight)
    assert torch.linalg.matrix_rank(own) == 6
    torch.testing.assert_close(torch.linalg.matrix_norm(weight - own, 2), values[6])


def test_nothing_to_do_is_nothing_done():
    weight = torch.randn(5, 3)
    for share, factor in [(0.0, 0.0), (0.3, 0.0), (0.9, 1.0)]:
        own = attenuate(weight, share, factor)
        assert torch.equal(own, weight)
        assert own.data_ptr() != weight.data_ptr()


def test_weights_that_are_not_finite():
    with pytest.raises(ConfigError, match=r"\(2, 2\) holds NaN or infinite values.*diverged"):
        attenuate(torch.tensor([[1.0, float("nan")], [0.0, 1.0]]), 0.5, 0)
