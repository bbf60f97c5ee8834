"""Singular values of a layer as the linear operator that it is on its whole input (dissertation, chapter 3.2.3).

Three ways lead there, and each says which it is. A circular convolution that keeps the size is diagonal in frequency:
a Fourier transform of the kernel and one small matrix a frequency give all its singular values (Sedghi, Gupta and Long
2019, arXiv:1805.10408; with strides, the frequencies that fall onto each other form one matrix). Any other layer is
written out as a matrix where that is small enough. For the rest, the largest values come from Lanczos' method, which
needs only the layer and its adjoint, never the matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from frontdef.errors import ConfigError

DENSE_LIMIT = 1024
"""Smaller side of a matrix that is written out."""

ENTRIES_LIMIT = 2**25
"""Entries of a matrix that is written out: 256 MiB."""

LINEARITY = 1e-6
"""Relative error above which a layer is no linear operator plus a constant."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values of a layer.

    Args:
        values: Descending, float64.
        count: How many the operator has: the smaller of its input's and output's size.
        method: ``fourier``, ``dense`` (both give all) or ``lanczos`` (the largest).
        energy: Sum of the squares of all singular values, ‖W‖_F²; NaN where it can't be had without all of them.
    """

    values: Tensor
    count: int
    method: str
    energy: float = math.nan

    @property
    def stable_rank(self) -> float:
        """‖W‖_F²/‖W‖²: how fat the tail is, from 1 for a single value to `count` where all are equal."""
        largest = float(self.values[0])
        return self.energy / largest**2 if largest else math.nan


def singular_values(
    layer: nn.Module, in_shape: Sequence[int], *, top: int = 64, dense_limit: int = DENSE_LIMIT
) -> Spectrum:
    """Singular values of a layer on inputs of one size, exact for its own padding, stride, dilation and groups.

    Args:
        layer: A module that is linear but for a constant: a convolution, a linear layer, or a subclass that normalizes
            its weights. In eval mode.
        in_shape: ``(C,H,W)`` (or ``(D,)``) of what it reads.
        top: How many of the largest are computed where the matrix is too large to be written out.
        dense_limit: Smaller side of the matrix up to which it is written out, and all values are computed.

    Returns:
        All singular values, or the ``top`` largest.

    Raises:
        ConfigError: The layer is not linear, or ``top`` or ``dense_limit`` is not positive.
    """
    if top < 1 or dense_limit < 1:
        raise ConfigError(f"top and dense_limit are at least 1, got top={top}, dense_limit={dense_limit}")
    shape = tuple(in_shape)
    if is_circulant(layer, shape):
        return _fourier(layer, shape)
    operator = _Operator(layer, shape)
    small, entries = min(operator.n_in, operator.n_out), operator.n_in * operator.n_out
    if small == 1 or (small <= dense_limit and entries <= max(ENTRIES_LIMIT, dense_limit**2)):
        values = _dense(operator)
        return Spectrum(values, small, "dense", float(values.square().sum()))
    # ARPACK gives fewer than all.
    return Spectrum(_lanczos(operator, min(top, small - 1)), small, "lanczos", _energy(layer, shape))


def is_circulant(layer: nn.Module, in_shape: Sequence[int]) -> bool:
    """Whether a layer is a circular convolution of whole periods, so that a Fourier transform is exact.

    Args:
        layer: Any module.
        in_shape: ``(C,H,W)`` of what it reads.
    """
    if not isinstance(layer, nn.Conv2d) or type(layer).forward is not nn.Conv2d.forward:
        return False
    if layer.padding_mode != "circular" or len(in_shape) != 3:
        return False
    return all(
        _padding(layer, axis) == layer.dilation[axis] * (layer.kernel_size[axis] - 1)
        and in_shape[1 + axis] % layer.stride[axis] == 0
        for axis in (0, 1)
    )


def _padding(layer: nn.Conv2d, axis: int) -> int:
    """Values added on both sides of an axis, together."""
    if isinstance(layer.padding, str):
        return layer.dilation[axis] * (layer.kernel_size[axis] - 1) if layer.padding == "same" else 0
    return 2 * layer.padding[axis]


def _fourier(layer: nn.Module, in_shape: tuple[int, ...]) -> Spectrum:
    """Every frequency of the output mixes those of the input that a stride folds onto it: one small matrix each."""
    assert isinstance(layer, nn.Conv2d)
    weight = layer.weight.detach().double()
    n_out, per_group, *_ = weight.shape
    # Taps that wrap around a small image and meet are added.
    rows, columns = (
        one_hot(
            torch.arange(layer.kernel_size[axis], device=weight.device) * layer.dilation[axis] % size, size
        ).double()
        for axis, size in enumerate(in_shape[1:])
    )
    spectrum = torch.fft.fft2(torch.einsum("oikl,kh,lw->oihw", weight, rows, columns))
    (down, across), (_, height, width) = layer.stride, in_shape
    folded = spectrum.view(
        layer.groups, n_out // layer.groups, per_group, down, height // down, across, width // across
    )
    # (groups, H/s, W/s, out, in·s·s); the factor keeps both transforms unitary.
    matrices = folded.permute(0, 4, 6, 1, 2, 3, 5).flatten(4) / math.sqrt(down * across)
    values = torch.linalg.svdvals(matrices).flatten().sort(descending=True).values
    return Spectrum(values.cpu(), len(values), "fourier", float(values.square().sum()))


def _energy(layer: nn.Module, in_shape: tuple[int, ...]) -> float:
    """‖W‖_F² of a zero-padded convolution without its matrix: the squares of its entries are those of the kernel."""
    own_forward = type(layer).forward is not nn.Conv2d.forward
    if not isinstance(layer, nn.Conv2d) or own_forward or layer.padding_mode != "zeros":
        return math.nan
    squared = {"weight": layer.weight.detach().double().square()}
    if layer.bias is not None:
        squared["bias"] = torch.zeros_like(layer.bias, dtype=torch.float64)
    ones = torch.ones(1, *in_shape, dtype=torch.float64, device=layer.weight.device)
    return float(torch.func.functional_call(layer, squared, (ones,)).sum())


class _Operator:
    """A layer without its constant, in float64, with its adjoint.

    Args:
        layer: The layer.
        in_shape: Of what it reads.

    Raises:
        ConfigError: It is not linear.
    """

    def __init__(self, layer: nn.Module, in_shape: tuple[int, ...]) -> None:
        self.layer, self.in_shape = layer, in_shape
        state = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
        self.state = {
            name: tensor.detach().double() if tensor.is_floating_point() else tensor for name, tensor in state.items()
        }
        self.device = next(iter(self.state.values())).device
        origin = torch.zeros(1, *in_shape, dtype=torch.float64, device=self.device)
        self.constant = self._call(origin)
        self.out_shape = tuple(self.constant.shape[1:])
        self.n_in, self.n_out = math.prod(in_shape), math.prod(self.out_shape)
        self._pull = torch.func.vjp(self.apply, origin)[1]
        self._check()

    def _call(self, x: Tensor) -> Tensor:
        output: Tensor = torch.func.functional_call(self.layer, self.state, (x,))
        return output

    def apply(self, x: Tensor) -> Tensor:
        """``(N,*in_shape)`` to ``(N,*out_shape)``."""
        return self._call(x) - self.constant

    def adjoint(self, y: Tensor) -> Tensor:
        """``(1,*out_shape)`` to ``(1,*in_shape)``."""
        pulled_back: Tensor = self._pull(y)[0]
        return pulled_back

    def _check(self) -> None:
        draws = torch.Generator().manual_seed(0)
        a, b = torch.randn(2, 1, *self.in_shape, generator=draws, dtype=torch.float64).to(self.device)
        with torch.no_grad():
            whole, parts = self.apply(a - 2 * b), self.apply(a) - 2 * self.apply(b)
        if float((whole - parts).norm()) > LINEARITY * float(parts.norm() + whole.norm()):
            raise ConfigError(
                f"{type(self.layer).__name__} is not a linear operator, so it has no singular values: only layers that "
                "are linear but for a constant have them"
            )


def _dense(operator: _Operator) -> Tensor:
    """All singular values of the matrix, which is written out row by row: one input direction each."""
    eye = torch.eye(operator.n_in, dtype=torch.float64, device=operator.device)
    with torch.no_grad():
        rows = [operator.apply(part.view(-1, *operator.in_shape)).flatten(1) for part in eye.split(64)]
        values: Tensor = torch.linalg.svdvals(torch.cat(rows))
    return values.cpu()


def _lanczos(operator: _Operator, top: int) -> Tensor:
    """The largest singular values, by ARPACK on the layer and its adjoint."""
    from scipy.sparse.linalg import LinearOperator, svds

    def forward(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return _flat(operator.apply(_shaped(x, operator.in_shape, operator.device)))

    def backward(y: np.ndarray) -> np.ndarray:
        return _flat(operator.adjoint(_shaped(y, operator.out_shape, operator.device)))

    matrix = LinearOperator((operator.n_out, operator.n_in), matvec=forward, rmatvec=backward, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(min(matrix.shape))
    values = svds(matrix, k=top, v0=start, return_singular_vectors=False, solver="arpack")
    return torch.from_numpy(np.sort(values)[::-1].copy())


def _shaped(vector: np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(vector, dtype=np.float64)).to(device).view(1, *shape)


def _flat(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy()).ravel()
