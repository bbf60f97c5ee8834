"""A block: convolution with implicit weight normalization, ReLU, normalization, threshold (section 5.2.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.bpda import IDENTITY, TRUE, Surrogate, replace_gradient

SMALLEST_NORM = 1e-6
"""A filter shorter than this is not stretched to unit length."""

STABILIZER = 1e-7
"""Added to the divisor of eq. 5.2, so that an image without any activation gives zeros: 0/0 in the text."""


class ImplicitConv2d(nn.Conv2d):
    """A 3x3 convolution, padded by 1 and without bias, whose filters count as if they had unit ℓ2 norm.

    ``⟨w,x⟩ / ‖w‖₂`` (eq. 5.1): nothing is projected in training, and the gradient goes through the norm.

    Args:
        n_in: Channels in.
        n_out: Filters.
        implicit: False leaves the filters as they are.
    """

    def __init__(self, n_in: int, n_out: int, implicit: bool = True) -> None:
        super().__init__(n_in, n_out, kernel_size=3, padding=1, bias=False)
        self.implicit = implicit

    def forward(self, input: Tensor) -> Tensor:
        """Outputs ``(N,n_out,H,W)`` of ``(N,n_in,H,W)``."""
        if not self.implicit:
            return super().forward(input)
        norms = self.weight.flatten(1).norm(dim=1).clamp_min(SMALLEST_NORM)
        return F.conv2d(input, self.weight / norms.view(-1, 1, 1, 1), padding=1)


class DivisiveNormalization(nn.Module):
    """``z_k = y_k / (σ·M_max + (1−σ)·M)`` at every location, M the mean over channels, M_max its maximum (eq. 5.2).

    Args:
        sigma: σ in [0,1].
        field: ``mean`` as in the text; ``max3`` takes the maximum of a 3x3 neighborhood of each channel first.
    """

    def __init__(self, sigma: float, field: str) -> None:
        super().__init__()
        self.sigma = sigma
        self.field = field

    def forward(self, y: Tensor) -> Tensor:
        """Normalized activations of ``(N,C,H,W)``, all at least 0."""
        around = F.max_pool2d(y, 3, stride=1, padding=1) if self.field == "max3" else y
        mean = around.mean(dim=1, keepdim=True)
        peak = mean.amax(dim=(2, 3), keepdim=True)
        return y / (self.sigma * peak + (1 - self.sigma) * mean + STABILIZER)


@dataclass(frozen=True)
class Threshold:
    """Zeroes what is below τ, one for each image and channel (eq. 5.3).

    The choice of what survives is piecewise constant, so no gradient goes through τ.

    Args:
        quantile: Share of a channel's locations below τ; None sets τ to their mean.
        strict: Whether τ itself is zeroed, too; see `HahConfig.keep`.
    """

    quantile: float | None
    strict: bool = False

    def __call__(self, z: Tensor, surrogate: Surrogate = TRUE) -> Tensor:
        """What survives of ``(N,C,H,W)``.

        Args:
            z: Activations.
            surrogate: ``true`` (gradient through the survivors) or ``identity`` (through all).
        """
        tau = self.tau(z.detach())
        survivors = z * (z > tau if self.strict else z >= tau)
        return replace_gradient(survivors, z) if surrogate.name == IDENTITY.name else survivors

    def tau(self, z: Tensor) -> Tensor:
        """The thresholds ``(N,C,1,1)``."""
        if self.quantile is None:
            return z.mean(dim=(2, 3), keepdim=True)
        flat = z.flatten(2)
        # 0.8·10 and the like must count as the integers that they mean.
        exact = self.quantile * flat.shape[2]
        rank = math.floor(exact + 1e-9) if self.strict else math.ceil(exact - 1e-9)
        if rank == 0:
            return torch.full_like(z[:, :, :1, :1], -torch.inf)
        return _kth_smallest(flat, rank)[..., None, None]


def _kth_smallest(rows: Tensor, k: int) -> Tensor:
    """The k-th smallest value of the last axis, counted from 1, without a gradient."""
    if rows.device.type == "cpu":  # numpy's partition takes a quarter of the time, and this is where it goes
        return torch.from_numpy(np.partition(rows.numpy(), k - 1, axis=-1)[..., k - 1])
    return rows.kthvalue(k, dim=-1).values


class Block(nn.Module):
    """Convolution, ReLU, normalization and, in HaH blocks, a threshold.

    Args:
        n_in: Channels in.
        n_out: Filters.
        normalize: `DivisiveNormalization`, or batch norm for a plain block, which has it after ReLU as well.
        threshold: None for a plain block.
        implicit: Whether the filters are normalized implicitly.
    """

    def __init__(
        self, n_in: int, n_out: int, normalize: nn.Module, threshold: Threshold | None = None, implicit: bool = True
    ) -> None:
        super().__init__()
        self.conv = ImplicitConv2d(n_in, n_out, implicit)
        self.normalize = normalize
        self.threshold = threshold

    def forward(self, x: Tensor, surrogate: Surrogate = TRUE) -> Tensor:
        """Outputs ``(N,n_out,H,W)`` of ``(N,n_in,H,W)``."""
        return self.compete(self.activations(x), surrogate)

    def activations(self, x: Tensor) -> Tensor:
        """Y of eq. 5.1, which the HaH loss looks at."""
        return F.relu(self.conv(x))

    def compete(self, y: Tensor, surrogate: Surrogate = TRUE) -> Tensor:
        """O of eq. 5.3 from y of eq. 5.1."""
        z: Tensor = self.normalize(y)
        return z if self.threshold is None else self.threshold(z, surrogate)
