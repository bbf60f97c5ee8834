"""Upper bounds of operator norms: exact ones for the proof, cheap differentiable ones for training."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SLACK = 1 + 1e-6
"""Outward rounding of what float64 computed; its own error is below 1e-10 for matrices of any size used here."""

BLOCK = 256
"""Rows of the larger Gram matrix that are computed before it is asked whether they suffice."""


def linear_norm(weight: Tensor) -> float:
    """The ℓ2 operator norm of a matrix, rounded outward.

    The root of the largest eigenvalue of the smaller Gram matrix, in float64.

    Args:
        weight: ``(out,in)``.
    """
    return math.sqrt(_largest_eigenvalue(weight.detach().double()[None])) * SLACK


def conv_norm(weight: Tensor, image_size: tuple[int, int], stride: int, padding: int) -> float:
    """An upper bound of the ℓ2 operator norm of a zero-padded convolution on images of one size.

    With stride s, the input is cut into its s² phases, an isometry, and the convolution becomes one of stride 1 with a
    kernel of ⌈k/s⌉. An output of m values reads at most m + ⌈k/s⌉ - 1 input values a side; on a torus of that size
    nothing wraps around. The zero-padded operator is then a block of the circular one, so its norm is at most the
    largest singular value of the circular one, which is exact: one small matrix a frequency (Sedghi et al. 2019,
    arXiv:1805.10408).

    Args:
        weight: ``(out,in,k,k)``.
        image_size: Height and width of the input.
        stride: Of the convolution.
        padding: Zeros on each side.
    """
    symbol = weight.detach().double()
    kernel = -(-symbol.shape[-1] // stride)
    symbol = torch.nn.functional.pad(symbol, (0, kernel * stride - symbol.shape[-1]) * 2)
    symbol = symbol.unflatten(3, (kernel, stride)).unflatten(2, (kernel, stride))  # (out,in,k,s,k,s)
    symbol = symbol.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
    torus = [(size + 2 * padding - weight.shape[-1]) // stride + kernel for size in image_size]
    spectrum = torch.fft.rfft2(symbol, s=torus).permute(2, 3, 0, 1).flatten(0, 1)
    return math.sqrt(_largest_eigenvalue(spectrum)) * SLACK


def divisor(weight: Tensor, overlap: int = 1) -> Tensor:
    """A differentiable upper bound of the operator norm, cheap enough for every training step.

    For a matrix, √‖G‖∞ of its smaller Gram matrix: the bound of Qian & Wegman 2019, without the larger of
    the two matrices. For a convolution the same of the flattened kernel times the root of `windows`, or Hölder's bound,
    whichever is less.

    Args:
        weight: ``(out,in)`` or ``(out,in,k,k)``.
        overlap: As in `windows`.

    Returns:
        A scalar of the type of ``weight``.
    """
    flat = weight.flatten(1)
    gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    by_rows = gram.abs().sum(1).amax().sqrt() * math.sqrt(overlap)
    return torch.minimum(by_rows, _hoelder(weight, overlap))


def windows(kernel: int, stride: int) -> int:
    """K, the largest number of windows in which one entry of an image appears: ⌈k/s⌉²."""
    return (-(-kernel // stride)) ** 2


def excess(weight: Tensor) -> Tensor:
    """How far a weight is from provably nonexpansive: a layer's term of L_w, zero where it is.

    min over M in {WWᵀ, WᵀW} of Σ_i max(Σ_j |M_ij| - 1, 0), W flattened to ``(out,in·k²)`` (Qian & Wegman 2019,
    section 2.1; the authors of the reproduction use it as it stands). The gradient goes through the smaller of the two.

    Args:
        weight: ``(out,in)`` or ``(out,in,k,k)``.
    """
    flat = weight.flatten(1)
    narrow, wide = (flat, flat.T) if flat.shape[0] <= flat.shape[1] else (flat.T, flat)
    term: Tensor = _GramExcess.apply(narrow)
    with torch.no_grad():
        less = _falls_short(wide, term)
    return _GramExcess.apply(wide) if less else term


class _GramExcess(torch.autograd.Function):
    """Σ_i max(Σ_j |M_ij| - 1, 0) of M = WWᵀ; as M is symmetric, one product gives the gradient of both factors."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        gram = rows @ rows.T
        beyond = gram.abs().sum(1) - 1
        ctx.save_for_backward(rows, gram, beyond)
        excess: Tensor = beyond.clamp_min(0).sum()
        return excess

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        rows, gram, beyond = ctx.saved_tensors
        counts = (beyond >= 0).to(gram)
        gradient: Tensor = upstream * ((gram.sign() * (counts[:, None] + counts)) @ rows)
        return gradient


def _falls_short(matrix: Tensor, term: Tensor) -> bool:
    """Whether the excess of the larger Gram matrix is less than a term; most often a third of its rows refute it.

    By symmetry the rows that are known are the first entries of all others, so that each sum is a lower bound.
    """
    sums = matrix.new_zeros(len(matrix))
    for first in range(0, len(matrix), BLOCK):
        block = (matrix[first : first + BLOCK] @ matrix[first:].T).abs()
        sums[first : first + BLOCK] += block.sum(1)
        sums[first + BLOCK :] += block[:, BLOCK:].sum(0)
        if bool((sums - 1).clamp_min(0).sum() >= term):
            return False
    return True


def _hoelder(weight: Tensor, overlap: int) -> Tensor:
    magnitudes = weight.abs().flatten(2) if weight.ndim > 2 else weight.abs()[..., None]
    rows = magnitudes.sum((1, 2)).amax()
    # Of the k² taps of a kernel, one input entry meets at most `overlap`.
    columns = magnitudes.sum(0).topk(min(overlap, magnitudes.shape[2]), dim=1).values.sum(1).amax()
    return (rows * columns).sqrt()


def _largest_eigenvalue(matrices: Tensor) -> float:
    """Of the smaller Gram matrix of each of ``(…,m,n)``, over all."""
    wide = matrices.shape[-2] <= matrices.shape[-1]
    gram = matrices @ matrices.mH if wide else matrices.mH @ matrices
    return max(float(torch.linalg.eigvalsh(gram)[..., -1].amax()), 0.0)
