"""The gradients that an attacker may choose from.

With A the analysis, S the synthesis, M the mask that kept the K largest coefficients of ``x``, the front end is
``clip(S·M·A·x, 0, 1)``. The mask is piecewise constant in ``x``, so no gradient goes through the selection. For an
orthonormal wavelet S = Aᵀ, and `projection` and `adjoint` are the same; for a biorthogonal one they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from frontdef.bpda import IDENTITY, TRUE, Surrogate
from frontdef_wavelet.transform import Pyramid

PROJECTION = Surrogate("projection", doc="analysis, same mask, synthesis of the gradient: P_K(w,x); the clip ignored")
ADJOINT = Surrogate("adjoint", doc="the true derivative of synthesis·mask·analysis; the clip ignored")


@dataclass(frozen=True)
class Trace:
    """What a forward pass leaves for the backward pass.

    Args:
        pyramid: The transform, of the type of the images.
        mask: Which coefficients were kept, bool ``(N,C,M)``.
        inside: Where the reconstruction is in [0,1] before the clip, bool ``(N,C,H,W)``.
    """

    pyramid: Pyramid
    mask: Tensor
    inside: Tensor


def _projection(trace: Trace, grad: Tensor) -> Tensor:
    return trace.pyramid.synthesis(trace.pyramid.analysis(grad) * trace.mask)


def _adjoint(trace: Trace, grad: Tensor) -> Tensor:
    return trace.pyramid.analysis_adjoint(trace.pyramid.synthesis_adjoint(grad) * trace.mask)


def _true(trace: Trace, grad: Tensor) -> Tensor:
    return _adjoint(trace, grad * trace.inside)


def _identity(trace: Trace, grad: Tensor) -> Tensor:
    return grad


Pull = Callable[[Trace, Tensor], Tensor]

_PULLS: dict[Surrogate, Pull] = {PROJECTION: _projection, ADJOINT: _adjoint, TRUE: _true, IDENTITY: _identity}

SURROGATES: tuple[Surrogate, ...] = tuple(_PULLS)


class _PullBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, exact: Tensor, trace: Trace, pull: Pull) -> Tensor:
        ctx.trace, ctx.pull = trace, pull
        return exact.view_as(exact)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.pull(ctx.trace, grad[0]), None, None, None


def pull_back(x: Tensor, exact: Tensor, trace: Trace, surrogate: Surrogate) -> Tensor:
    """Return ``exact`` with the surrogate gradient towards ``x``.

    Args:
        x: Images ``(N,C,H,W)``.
        exact: The output of the front end, of the same shape, without a graph.
        trace: What the forward pass left.
        surrogate: One of `SURROGATES`.
    """
    result: Tensor = _PullBack.apply(x, exact, trace, _PULLS[surrogate])
    return result
