"""Layers whose ℓ2 gain is known: each is a module and says what it does to a `Flow`."""

from __future__ import annotations

import math
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef_l2nn import bounds
from frontdef_l2nn.flow import Flow, LayerBound

Constraint = Literal["regularize", "divide"]


@runtime_checkable
class Bounded(Protocol):
    """A layer with a proof."""

    def flow(self, flow: Flow, name: str, size: tuple[int, int]) -> tuple[Flow, tuple[int, int]]:
        """Continue a flow through the layer.

        Args:
            flow: Before it.
            name: Of the layer, for the list of bounds.
            size: Height and width of its input; ``(1,1)`` for vectors.

        Returns:
            The flow after it, and height and width of its output.
        """
        ...


class Weighted(nn.Module):
    """What the two layers with weights have in common: how the constraint makes the weight that is used.

    With ``divide`` the weight that is used is the stored one over its proved bound, at every step of training. `settle`
    carries that out once and for all; it changes nothing but the time that a pass takes, since the bound of the
    quotient is 1.
    """

    weight: Tensor
    settled: Tensor

    def _hold(self, constraint: Constraint, overlap: int) -> None:
        self.constraint = constraint
        self.overlap = overlap
        self.register_buffer("settled", torch.tensor(False))

    def used_weight(self) -> Tensor:
        """The weight that multiplies the input."""
        if self.constraint == "regularize" or (not self.training and bool(self.settled)):
            return self.weight
        return self.weight / bounds.divisor(self.weight, self.overlap).clamp_min(1e-12)

    def settle(self) -> None:
        """Put the used weight in the place of the stored one, after training."""
        with torch.no_grad():
            self.weight.copy_(self.used_weight())
            self.settled.fill_(True)

    def excess(self) -> Tensor:
        """The layer's term of L_w."""
        return bounds.excess(self.used_weight())


def settle(module: nn.Module) -> None:
    """Carry out the divisions of all layers of a module."""
    for layer in module.modules():
        if isinstance(layer, Weighted):
            layer.settle()


class Linear(Weighted, nn.Linear):
    """A fully connected layer that is kept nonexpansive.

    Args:
        n_in: Values of an input.
        n_out: Values of an output.
        constraint: ``regularize``: the weight as it is, which the penalty holds down; ``divide``: by its proved bound.
    """

    def __init__(self, n_in: int, n_out: int, constraint: Constraint = "regularize") -> None:
        super().__init__(n_in, n_out)
        self._hold(constraint, overlap=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N,n_in)`` to ``(N,n_out)``."""
        return F.linear(x, self.used_weight(), self.bias)

    def flow(self, flow: Flow, name: str, size: tuple[int, int]) -> tuple[Flow, tuple[int, int]]:
        """Exact: the largest singular value."""
        weight = self.used_weight()
        layer = LayerBound(name, "linear", bounds.linear_norm(weight))
        absolute = bounds.linear_norm(weight.abs())
        return flow.affine(layer, absolute=absolute, offset=_norm(self.bias), terms=self.in_features), size


class Conv2d(Weighted, nn.Conv2d):
    """A zero-padded convolution that is kept nonexpansive.

    Args:
        n_in: Channels of the input.
        n_out: Channels of the output.
        kernel: Side of the kernel; padding is ⌊kernel/2⌋.
        stride: Of the windows.
        constraint: As in `Linear`. The proved bound by which ``divide`` divides counts the windows' overlap.
        divide_input: Divide the input by the root of the windows in which an entry appears on average, k²/stride²
            ("divide before convolution"); with ``divide`` it would be taken back, and is left out.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        *,
        stride: int = 1,
        constraint: Constraint = "regularize",
        divide_input: bool = True,
    ) -> None:
        super().__init__(n_in, n_out, kernel, stride=stride, padding=kernel // 2)
        self._hold(constraint, overlap=bounds.windows(kernel, stride))
        self.input_divisor = kernel / stride if divide_input and constraint == "regularize" else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """``(N,n_in,H,W)`` to ``(N,n_out,⌈H/stride⌉,⌈W/stride⌉)``, for odd kernels."""
        if self.input_divisor != 1:
            x = x / self.input_divisor
        return F.conv2d(x, self.used_weight(), self.bias, self.stride, self.padding)

    def flow(self, flow: Flow, name: str, size: tuple[int, int]) -> tuple[Flow, tuple[int, int]]:
        """The exact norm of the circular convolution on a torus large enough."""
        weight, (kernel, stride, padding) = self.used_weight(), self.geometry
        after = ((size[0] + 2 * padding - kernel) // stride + 1, (size[1] + 2 * padding - kernel) // stride + 1)
        gain = bounds.conv_norm(weight, size, stride, padding) / self.input_divisor
        layer = LayerBound(name, f"convolution {kernel}x{kernel}", gain)
        absolute = bounds.conv_norm(weight.abs(), size, stride, padding) / self.input_divisor
        offset = _norm(self.bias) * math.sqrt(math.prod(after))
        terms = self.in_channels * kernel * kernel
        return flow.affine(layer, absolute=absolute, offset=offset, terms=terms), after

    @property
    def geometry(self) -> tuple[int, int, int]:
        """Side of the kernel, stride and padding."""
        return self.kernel_size[0], self.stride[0], int(self.padding[0])


class TwoSidedReLU(nn.Module):
    """``x ↦ (ReLU(x), ReLU(-x))``, concatenated along dimension 1; twice the channels, no distance grows.

    Unlike ReLU it loses no norm: one of the two is zero and the other |x| (Qian & Wegman 2019; Shang et
    al. 2016, arXiv:1603.05201).
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(N,C,…)`` to ``(N,2C,…)``."""
        return torch.cat([F.relu(x), F.relu(-x)], dim=1)

    def flow(self, flow: Flow, name: str, size: tuple[int, int]) -> tuple[Flow, tuple[int, int]]:
        """1: the two outputs of one value move in turn, and never more than it."""
        return flow.homogeneous(LayerBound(name, "two-sided ReLU", 1.0), terms=0), size


class NormPool2d(nn.Module):
    """The ℓ2 norm of each window: ``w·√avgpool(x²)``.

    Where windows overlap, the input is divided by √K, K the largest number of windows in which an entry appears (Qian &
    Wegman 2019). At a window of zeros the gradient is 0, one of the subgradients, instead of NaN.

    Args:
        window: Side of a window.
        stride: Of the windows; None takes ``window``. Rows and columns that fill no window are left out.
    """

    def __init__(self, window: int = 2, stride: int | None = None) -> None:
        super().__init__()
        self.window = window
        self.stride = stride or window
        self.root_k = math.sqrt(bounds.windows(window, self.stride))

    def forward(self, x: Tensor) -> Tensor:
        """``(N,C,H,W)`` to ``(N,C,H',W')``, no value negative."""
        means = F.avg_pool2d(x * x, self.window, self.stride)
        zero = means == 0
        # Both selections are needed: the root's derivative at 0 is infinite, and 0 times that is NaN.
        norms = torch.where(zero, 1.0, means).sqrt() * (self.window / self.root_k)
        return torch.where(zero, 0.0, norms)

    def flow(self, flow: Flow, name: str, size: tuple[int, int]) -> tuple[Flow, tuple[int, int]]:
        """1: a norm is nonexpansive, and every entry is counted at most K times and divided by K."""
        after = ((size[0] - self.window) // self.stride + 1, (size[1] - self.window) // self.stride + 1)
        return flow.homogeneous(LayerBound(name, "norm pooling", 1.0), terms=self.window**2 + 6), after

    def extra_repr(self) -> str:
        """The geometry, for ``print``."""
        return f"window={self.window}, stride={self.stride}"


class Flatten(nn.Flatten):
    """``(N,C,H,W)`` to ``(N,CHW)``."""

    def flow(self, flow: Flow, name: str, size: tuple[int, int]) -> tuple[Flow, tuple[int, int]]:
        """Nothing changes, and no row is added."""
        return flow, (1, 1)


class Sequential(nn.Sequential):
    """Layers one after the other: their bounds multiply."""

    def flow(self, flow: Flow, name: str, size: tuple[int, int]) -> tuple[Flow, tuple[int, int]]:
        """Through each layer in turn."""
        for key, layer in self.named_children():
            flow, size = as_bounded(layer).flow(flow, f"{name}.{key}" if name else key, size)
        return flow, size


class Residual(nn.Module):
    """``t·f(x) + √(1-t²)·x`` with t = sin θ trainable, so that 1 - t² can't turn negative; θ starts at π/4.

    It is not nonexpansive for a nonexpansive f: where f(x) = x the gain is t + √(1-t²), up to √2. With ``divide`` the
    sum is divided by |t| + √(1-t²).

    Args:
        branch: f; puts out the shape that it takes in.
        constraint: As in `Linear`.
    """

    def __init__(self, branch: nn.Module, constraint: Constraint = "regularize") -> None:
        super().__init__()
        self.branch = branch
        self.constraint = constraint
        self.angle = nn.Parameter(torch.tensor(math.pi / 4))

    def forward(self, x: Tensor) -> Tensor:
        """``(N,C,H,W)``, as the input."""
        share, kept = self._shares(self.angle)
        result: Tensor = share * self.branch(x) + kept * x
        return result

    def flow(self, flow: Flow, name: str, size: tuple[int, int]) -> tuple[Flow, tuple[int, int]]:
        """|t| times the branch's gain plus √(1-t²)."""
        share, kept = (float(value) for value in self._shares(self.angle.detach().double()))
        branch, after = as_bounded(self.branch).flow(flow, f"{name}.branch", size)
        return flow.residual(branch, name, share, kept), after

    def _shares(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        share, kept = angle.sin(), angle.cos()
        if self.constraint == "divide":
            total = share.abs() + kept.abs()
            share, kept = share / total, kept / total
        return share, kept


def as_bounded(layer: Any) -> Bounded:
    """The layer, if it has a proof.

    Raises:
        TypeError: It has none.
    """
    if not isinstance(layer, Bounded):
        raise TypeError(f"nothing is proved of a layer {type(layer).__name__}")
    return layer


def _norm(bias: Tensor | None) -> float:
    return 0.0 if bias is None else float(bias.detach().double().norm()) * bounds.SLACK
