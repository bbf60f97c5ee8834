"""The three things that depend on the norm: projection onto a ball, steepest ascent, and uniform draws from a ball.

All work on flattened batches, ``(N,D)``, one row a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from frontdef.threat import Norm

_HALF_ULP = 2.0**-25
"""Of a float32 pixel in [0.5, 1]."""


def _column(norms: Tensor) -> Tensor:
    return norms[:, None].clamp_min(torch.finfo(norms.dtype).tiny)


def _exact_norm(rows: Tensor) -> Tensor:
    """ℓ2 norms, float64: a float32 sum over the 150 000 values of a 224 × 224 color image is 1e-6 off."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms


def project_linf(delta: Tensor, eps: float) -> Tensor:
    """Nearest point of the ℓ∞ ball of radius ``eps``, ``(N,D)``."""
    return delta.clamp(-eps, eps)


def project_l2(delta: Tensor, eps: float) -> Tensor:
    """Nearest point of the ℓ2 ball of radius ``eps``, ``(N,D)``."""
    return delta * (eps / _column(_exact_norm(delta))).clamp_max(1).to(delta.dtype)


def project_l1(delta: Tensor, eps: float) -> Tensor:
    """Nearest point, in Euclidean distance, of the ℓ1 ball of radius ``eps``, ``(N,D)``.

    Sorting finds the threshold by which every value shrinks (Duchi et al. 2008, figure 1). Computed in float64, because
    the threshold is a difference of sums over all pixels. Values shrink by half an ulp of a pixel more: adding one and
    the same threshold to pixels on one grid rounds all of them to the same side, and the errors would add up.
    """
    values = delta.double()
    largest = values.abs().sort(dim=1, descending=True).values
    counts = torch.arange(1, values.shape[1] + 1, dtype=values.dtype, device=values.device)
    thresholds = (largest.cumsum(dim=1) - eps) / counts
    support = (largest > thresholds).sum(dim=1, keepdim=True).clamp_min(1)
    threshold = thresholds.gather(1, support - 1)
    threshold = torch.where(threshold > 0, threshold + _HALF_ULP, 0)
    return (values.sign() * (values.abs() - threshold).clamp_min(0)).to(delta.dtype)


def project_l1_box(delta: Tensor, x: Tensor, eps: float) -> Tensor:
    """Nearest point, in Euclidean distance, of the ℓ1 ball of radius ``eps`` in which x + δ stays in [0,1], ``(N,D)``.

    Croce & Hein 2021 (arXiv:2103.01208), section 2: with r_i the room between x_i and the wall that δ_i heads for,
    δ_i = sign(u_i)·clip(|u_i| − λ, 0, r_i). The ℓ1 norm of that falls piecewise linearly in λ, so the λ that gives
    ε lies in a piece that sorting finds. In float64, and shrunk by half an ulp, as in `project_l1`.

    Args:
        delta: u, ``(N,D)``.
        x: Images, ``(N,D)`` in [0,1].
        eps: ε, [0,1] pixel values.
    """
    values, images = delta.double(), x.double()
    sizes = values.abs()
    room = torch.where(values > 0, 1 - images, images)
    leaves, ends = (sizes - room).clamp_min(0), sizes
    places, order = torch.cat([leaves, ends], dim=1).sort(dim=1)
    slopes = torch.where(order < sizes.shape[1], -1.0, 1.0).to(values.dtype).cumsum(dim=1)
    lengths = places.diff(dim=1, append=places[:, -1:])
    start = sizes.minimum(room).sum(dim=1, keepdim=True)
    norms = start + (slopes * lengths).cumsum(dim=1)  # at the end of each piece
    piece = (norms > eps).sum(dim=1, keepdim=True).clamp_max(places.shape[1] - 1)
    before = torch.where(piece > 0, norms.gather(1, (piece - 1).clamp_min(0)), start)
    slope = slopes.gather(1, piece).clamp_max(-1)
    threshold = places.gather(1, piece) + (before - eps) / -slope
    threshold = torch.where(start > eps, threshold + _HALF_ULP, 0)
    return (values.sign() * (sizes - threshold).clamp_min(0).minimum(room)).to(delta.dtype)


def steepest_linf(gradient: Tensor, x: Tensor) -> Tensor:
    """The unit ℓ∞ direction along which a linear function grows most: the sign, ``(N,D)``."""
    return gradient.sign()


def steepest_l2(gradient: Tensor, x: Tensor) -> Tensor:
    """The unit ℓ2 direction along which a linear function grows most, ``(N,D)``; 0 for a zero gradient.

    In float64 throughout: squares of a confident classifier's gradients underflow in float32.
    """
    return (gradient.double() / _column(_exact_norm(gradient))).to(gradient.dtype)


def steepest_l1(gradient: Tensor, x: Tensor) -> Tensor:
    """The unit ℓ1 direction along which a linear function grows most inside the box: one pixel, ``(N,D)``.

    A pixel at the wall of [0,1] that the gradient pushes against is passed over (as Tramèr & Boneh 2019,
    arXiv:1904.13000, do), otherwise one saturated pixel stalls the attack for good.

    Args:
        gradient: ``(N,D)``.
        x: Where the step starts, ``(N,D)`` in [0,1].
    """
    free = torch.where(gradient > 0, x < 1, x > 0)
    reachable = gradient * free
    best = reachable.abs().argmax(dim=1, keepdim=True)
    return torch.zeros_like(gradient).scatter(1, best, reachable.gather(1, best).sign())


def draw_linf(like: Tensor, eps: float, generator: Generator | None = None) -> Tensor:
    """Uniform in the ℓ∞ ball of radius ``eps``, ``(N,D)``."""
    return torch.empty_like(like).uniform_(-eps, eps, generator=generator)


def draw_l2(like: Tensor, eps: float, generator: Generator | None = None) -> Tensor:
    """Uniform in the ℓ2 ball of radius ``eps``, ``(N,D)``: a uniform direction, at a radius ε·u^(1/D)."""
    direction = torch.empty_like(like).normal_(generator=generator)
    radius = torch.empty_like(like[:, :1]).uniform_(0, 1, generator=generator) ** (1 / like.shape[1])
    return eps * radius * direction / _column(_exact_norm(direction).to(like.dtype))


def draw_l1(like: Tensor, eps: float, generator: Generator | None = None) -> Tensor:
    """Uniform in the ℓ1 ball of radius ``eps``, ``(N,D)``: signed exponentials over the sum of D + 1."""
    sizes = torch.empty_like(like).exponential_(generator=generator)
    slack = torch.empty_like(like[:, :1]).exponential_(generator=generator)
    signs = torch.empty_like(like).uniform_(-1, 1, generator=generator).sign()
    return eps * signs * sizes / (sizes.sum(dim=1, keepdim=True) + slack)


PROJECTIONS: Mapping[Norm, Callable[[Tensor, float], Tensor]] = {
    "linf": project_linf,
    "l2": project_l2,
    "l1": project_l1,
}
STEEPEST: Mapping[Norm, Callable[[Tensor, Tensor], Tensor]] = {
    "linf": steepest_linf,
    "l2": steepest_l2,
    "l1": steepest_l1,
}
DRAWS: Mapping[Norm, Callable[[Tensor, float, Generator | None], Tensor]] = {
    "linf": draw_linf,
    "l2": draw_l2,
    "l1": draw_l1,
}


def random_perturbation(x: Tensor, norm: Norm, eps: float, generator: Generator | None = None) -> Tensor:
    """One uniform draw from the ball around each image, cut off at the box.

    Args:
        x: Images ``(N,C,H,W)`` in [0,1].
        norm: ``linf``, ``l2`` or ``l1``.
        eps: Radius, in [0,1] pixel values.
        generator: Source of randomness on the device of ``x``; None takes torch's global one.

    Returns:
        Images ``(N,C,H,W)`` in [0,1].
    """
    return (x + DRAWS[norm](x.flatten(1), eps, generator).view_as(x)).clamp(0, 1)
