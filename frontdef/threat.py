"""Threat models: which perturbations count, measured in one way for every library."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

from frontdef.errors import ConfigError, UnknownNameError, shortened

if TYPE_CHECKING:
    from torch import Tensor

Norm = Literal["linf", "l2", "l1", "l0", "spatial"]
NORMS: tuple[Norm, ...] = get_args(Norm)
MEASURED: tuple[Norm, ...] = ("linf", "l2", "l1", "l0")
"""The norms in which the distance of two images can be measured."""

TOLERANCE = 1e-6
"""The one absolute tolerance on distances and on the box, for every library."""

NORM_LABELS: dict[str, str] = {"linf": "ℓ∞", "l2": "ℓ2", "l1": "ℓ1", "l0": "ℓ0", "spatial": "spatial"}

USUAL_EPS: dict[str, str] = {"linf": "8/255", "l2": "0.5", "l1": "12", "spatial": "1"}
"""The radius that a norm is given where nobody names one, in [0,1] pixel values: what tables on CIFAR-10 use."""

_DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "linf": lambda delta: delta.abs().amax(dim=1),
    "l2": lambda delta: delta.square().sum(dim=1).sqrt(),
    "l1": lambda delta: delta.abs().sum(dim=1),
    "l0": lambda delta: (delta.abs() > TOLERANCE).sum(dim=1).to(delta.dtype),
    "spatial": lambda delta: delta.new_zeros(len(delta)),
}


_RADIUS = re.compile(r"[+-]?[\d_.]{1,40}(?:[eE][+-]?\d{1,3}|/\d{1,40})?")
"""A radius as text. Without a bound on its exponent a Fraction is computed that fills the memory."""


def distance(x: Tensor, x_adv: Tensor, norm: Norm) -> Tensor:
    """Distance of each example from its original, computed in float64.

    Args:
        x: Originals, ``(N,C,H,W)``.
        x_adv: Examples, ``(N,C,H,W)``.
        norm: One of ``linf``, ``l2``, ``l1``, ``l0`` (values that differ by more than 1e-6), ``spatial`` (always 0: how
            far an image was turned or shifted cannot be measured from two images).

    Returns:
        float64 ``(N,)``, in units of [0,1] pixel values (a count for ``l0``).
    """
    return _DISTANCES[check_norm(norm)]((x_adv.double() - x.double()).flatten(1))


def check_norm(norm: str) -> Norm:
    """Return the norm if it is one.

    Raises:
        UnknownNameError: Not one of ``linf``, ``l2``, ``l1``, ``l0``, ``spatial``.
    """
    if norm not in NORMS:
        raise UnknownNameError("norm", norm, NORMS)
    return norm


def usual_eps(norm: str) -> str:
    """The radius that a norm is given where nobody names one.

    Raises:
        UnknownNameError: No norm.
        ConfigError: ``l0``, a count of values, has none.
    """
    check_norm(norm)
    if norm not in USUAL_EPS:
        raise ConfigError(f"a radius in {NORM_LABELS[norm]} is a count of values, and no count is usual: give eps")
    return USUAL_EPS[norm]


def parse_eps(value: float | int | str) -> float:
    """Read an ε that was given as a number or as a fraction such as ``"8/255"``.

    Raises:
        ConfigError: Not a number.
    """
    try:
        if isinstance(value, str) and not _RADIUS.fullmatch(value.strip()):
            raise ValueError
        return float(Fraction(value)) if isinstance(value, str) else float(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ConfigError(f"ε is a number or a fraction such as '8/255', got {shortened(repr(value))}") from None


def format_eps(eps: float) -> str:
    """Print ε as a fraction of 255 where that is exact, otherwise as a short decimal.

    >>> format_eps(8 / 255), format_eps(0.3), format_eps(1.5)
    ('8/255', '0.3', '1.5')
    """
    steps = eps * 255
    if 0 < eps < 1 and abs(steps - round(steps)) < 1e-9 and f"{eps:.4g}" != str(eps):
        return f"{round(steps)}/255"
    return f"{eps:.4g}"


@dataclass(frozen=True, order=True)
class ThreatModel:
    """Every perturbation of at most ``eps`` in ``norm`` that leaves the image in [0,1].

    Args:
        norm: The norm of the ball.
        eps: Its radius in units of [0,1] pixel values; at most 1 for ``linf``, a count of values for ``l0``, 1 for
            ``spatial``, where the attack's parameters are the bound.

    Raises:
        ConfigError: A radius that is not positive, above 1 for ``linf``, or other than 1 for ``spatial``.
    """

    norm: Norm
    eps: float

    def __post_init__(self) -> None:
        check_norm(self.norm)
        if not self.eps > 0 or self.eps == float("inf"):
            raise ConfigError(f"ε must be a positive finite number, got {self.eps!r}")
        if self.norm == "spatial" and self.eps != 1:
            raise ConfigError(
                f"a spatial attack is bounded by its own parameters (max_rotation, max_translation): ε is 1, got "
                f"{self.eps!r}"
            )
        if self.norm == "linf" and self.eps > 1:
            raise ConfigError(
                f"ε = {self.eps!r} in ℓ∞ exceeds the whole range of an image: pixels are in [0,1], so 8 gray levels "
                f"are ε = 8/255. Did you mean {format_eps(self.eps / 255)!r}?"
            )

    def __str__(self) -> str:
        return f"{NORM_LABELS[self.norm]} ε={format_eps(self.eps)}"

    def contains(self, x: Tensor, x_adv: Tensor) -> Tensor:
        """Which examples lie in the ball around their originals and in [0,1], to 1e-6; bool ``(N,)``."""
        flat = x_adv.flatten(1)
        in_box = (flat.amin(dim=1) >= -TOLERANCE) & (flat.amax(dim=1) <= 1 + TOLERANCE)
        return in_box & (distance(x, x_adv, self.norm) <= self.eps + TOLERANCE) & flat.isfinite().all(dim=1)
