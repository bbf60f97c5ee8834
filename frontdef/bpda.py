"""Building blocks whose forward pass is exact and whose backward pass is a named, selectable surrogate.

BPDA (Athalye et al. 2018, arXiv:1802.00420, section 4.1) replaces the derivative of a block that has none, or a useless
one, by the derivative of a function close to it. Here that happens inside autograd, so ART, torchattacks, foolbox and a
hand-written loop all receive the same gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from frontdef.errors import ConfigError, UnknownNameError


@dataclass(frozen=True)
class Surrogate:
    """How a front end's gradient is computed; the attacker chooses among those that the front end offers.

    Args:
        name: The name by which a matrix or an attacker selects it.
        informative: Whether the gradient is expected to be non-zero almost everywhere.
        doc: One line: which function's derivative it is.
        steepness: For smooth surrogates, the slope at a threshold, per unit of the block's input.
    """

    name: str
    informative: bool = True
    doc: str = ""
    steepness: float | None = None

    def __str__(self) -> str:
        return self.name if self.steepness is None else f"{self.name}:{self.steepness:g}"


TRUE = Surrogate("true", doc="the true derivative")
IDENTITY = Surrogate("identity", doc="the derivative of the identity (straight-through)")
SMOOTH = Surrogate("smooth", doc="the derivative of a sum of sigmoids of the given steepness", steepness=10.0)
LINEAR = Surrogate("linear", doc="the derivative of a sum of ramps of the given steepness, zero between", steepness=2.0)
NONE = Surrogate("none", informative=False, doc="the true derivative, which is zero almost everywhere")


def select(offered: tuple[Surrogate, ...], choice: str | Surrogate | None) -> Surrogate:
    """Pick one of the offered surrogates.

    Args:
        offered: What the front end offers; the first is the default.
        choice: A name, ``"name:steepness"``, a surrogate, or None for the default.

    Raises:
        UnknownNameError: Not offered.
        ConfigError: A steepness that is no positive number, or one for a surrogate that has none.
    """
    if choice is None:
        return offered[0]
    name, _, steepness = str(choice).partition(":")
    selected = next((surrogate for surrogate in offered if surrogate.name == name), None)
    if selected is None:
        raise UnknownNameError("surrogate", name, [surrogate.name for surrogate in offered])
    if not steepness:
        return selected
    if selected.steepness is None:
        raise ConfigError(f"surrogate {name!r} has no steepness, got {choice!r}")
    try:
        value = float(steepness)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ConfigError(f"the steepness of surrogate {name!r} is a positive number, got {steepness!r}")
    return replace(selected, steepness=value)


class _ReplaceGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, exact: Tensor, surrogate: Tensor) -> Tensor:
        return exact.view_as(exact)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[None, Tensor]:
        return None, grad[0]


def replace_gradient(exact: Tensor, surrogate: Tensor) -> Tensor:
    """Return ``exact``, bit for bit, with the gradient of ``surrogate``.

    Args:
        exact: The value, any shape.
        surrogate: What to differentiate instead, of the same shape.

    Raises:
        ValueError: The shapes differ.
    """
    if exact.shape != surrogate.shape:
        raise ValueError(f"exact {tuple(exact.shape)} and surrogate {tuple(surrogate.shape)} differ in shape")
    result: Tensor = _ReplaceGradient.apply(exact.detach(), surrogate)
    return result


def _unknown(surrogate: Surrogate, block: str, *known: str) -> UnknownNameError:
    return UnknownNameError(f"surrogate of {block}", surrogate.name, known)


def step_function(x: Tensor, thresholds: Tensor, values: Tensor, surrogate: Surrogate = IDENTITY) -> Tensor:
    """Piecewise constant function: ``values[k]`` where exactly ``k`` thresholds are ≤ x.

    The smooth surrogate differentiates ``values[0] + Σ_k (values[k+1] − values[k])·sigmoid(4s(x − thresholds[k]))``,
    whose slope at a threshold is s times the jump. The piecewise linear one has
    ``clip(½ + s(x − thresholds[k]), 0, 1)`` in place of the sigmoid: that slope within 1/(2s) of a threshold, or 0.

    Args:
        x: Any shape.
        thresholds: ``(L-1,)``, ascending, in units of ``x``.
        values: ``(L,)``.
        surrogate: ``identity``, ``smooth``, ``linear`` or ``none``.
    """
    thresholds, values = thresholds.to(x), values.to(x)
    exact = values[torch.bucketize(x.detach().contiguous(), thresholds, right=True)]
    match surrogate.name:
        case "identity":
            return replace_gradient(exact, x)
        case "smooth":
            assert surrogate.steepness is not None
            rise = torch.sigmoid(4 * surrogate.steepness * (x.unsqueeze(-1) - thresholds))
            return replace_gradient(exact, rise @ values.diff())
        case "linear":
            assert surrogate.steepness is not None
            rise = (0.5 + surrogate.steepness * (x.unsqueeze(-1) - thresholds)).clamp(0, 1)
            return replace_gradient(exact, rise @ values.diff())
        case "none":
            return replace_gradient(exact, x * 0)
    raise _unknown(surrogate, "step_function", "identity", "smooth", "linear", "none")


def quantize(x: Tensor, levels: int, surrogate: Surrogate = IDENTITY) -> Tensor:
    """Round [0,1] values to the nearest of ``levels`` evenly spaced ones (halves round up).

    Args:
        x: Any shape, values in [0,1].
        levels: Number of levels, at least 2; level ``k`` has the value ``k/(levels-1)``.
        surrogate: ``identity``, ``smooth``, ``linear`` or ``none``.
    """
    if levels < 2:
        raise ConfigError(f"quantize needs at least 2 levels, got {levels}")
    values = torch.arange(levels, device=x.device, dtype=x.dtype) / (levels - 1)
    thresholds = (torch.arange(levels - 1, device=x.device, dtype=x.dtype) + 0.5) / (levels - 1)
    return step_function(x, thresholds, values, surrogate)


def sign_dead_zone(x: Tensor, threshold: float, surrogate: Surrogate = IDENTITY) -> Tensor:
    """Ternary sign: −1 where x < −threshold, +1 where x ≥ threshold, 0 between.

    Args:
        x: Any shape.
        threshold: Half width of the dead zone, in units of ``x``, positive.
        surrogate: ``identity``, ``smooth``, ``linear`` or ``none``.
    """
    if not threshold > 0:
        raise ConfigError(f"the dead zone's threshold is positive, got {threshold}")
    return step_function(x, x.new_tensor([-threshold, threshold]), x.new_tensor([-1.0, 0.0, 1.0]), surrogate)


def round_half_up(x: Tensor, step: float = 1.0, surrogate: Surrogate = IDENTITY) -> Tensor:
    """Round to the nearest multiple of ``step``.

    Args:
        x: Any shape.
        step: Spacing of the grid, in units of ``x``.
        surrogate: ``identity`` or ``none``.
    """
    exact = torch.floor(x.detach() / step + 0.5) * step
    match surrogate.name:
        case "identity":
            return replace_gradient(exact, x)
        case "none":
            return replace_gradient(exact, x * 0)
    raise _unknown(surrogate, "round_half_up", "identity", "none")


def top_k_mask(x: Tensor, k: int) -> Tensor:
    """Boolean mask of the ``k`` largest magnitudes of each sample; ties go to the lower index.

    Args:
        x: ``(N, …)``.
        k: How many to keep a sample, 0 ≤ k; all where k exceeds their number.
    """
    flat = x.detach().abs().flatten(1)
    if not 0 < k < flat.shape[1]:
        return torch.full_like(x, k > 0, dtype=torch.bool)
    edge = flat.topk(k, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
    above, tied = flat > edge, flat == edge
    room = k - above.sum(dim=1, keepdim=True)
    return (above | (tied & (tied.cumsum(dim=1) <= room))).view_as(x)


def top_k(x: Tensor, k: int, surrogate: Surrogate = TRUE, backward_k: int | None = None) -> Tensor:
    """Keep the ``k`` largest magnitudes of each sample, zero the rest.

    Args:
        x: ``(N, …)``.
        k: How many to keep a sample.
        surrogate: ``true`` (gradient through the kept ones), ``top-u`` (through the ``backward_k`` largest) or
            ``identity``.
        backward_k: The U of ``top-u``, at least ``k``.
    """
    exact = x * top_k_mask(x, k)
    match surrogate.name:
        case "true":
            return exact
        case "identity":
            return replace_gradient(exact, x)
        case "top-u":
            if backward_k is None or backward_k < k:
                raise ConfigError(f"top-u needs backward_k ≥ k = {k}, got {backward_k}")
            return replace_gradient(exact, x * top_k_mask(x, backward_k))
    raise _unknown(surrogate, "top_k", "true", "identity", "top-u")


def dropout(x: Tensor, p: float, generator: torch.Generator, rescale: bool = True) -> Tensor:
    """Zero each value with probability ``p``, at test time too, with draws from the front end's own generator.

    The gradient is the true one for the draw that was made.

    Args:
        x: Any shape.
        p: Probability of zeroing, in [0,1).
        generator: On the device of ``x``.
        rescale: Whether to divide the survivors by ``1 − p``.
    """
    if not 0 <= p < 1:
        raise ConfigError(f"the dropout probability is in [0,1), got {p}")
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p) if rescale else x * keep
