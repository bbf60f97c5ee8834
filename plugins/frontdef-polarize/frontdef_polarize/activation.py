"""What stands in the quantizer's place: the activation with a dead zone, the paper's foil (section 3, equation 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from frontdef.bpda import Surrogate, replace_gradient
from frontdef.errors import UnknownNameError


def dead_zone(z: Tensor, width: float, surrogate: Surrogate | None = None) -> Tensor:
    """``f(z) = 0`` where |z| ≤ c, and ``z`` otherwise; it does not decrease, so bounds of z give bounds of it.

    Args:
        z: Normalized activations, any shape.
        width: c, positive, in units of z.
        surrogate: ``identity`` has the derivative 1 everywhere; ``smooth`` and ``linear`` differentiate z times a gate
            that opens at ±c, by a sigmoid or a ramp of their steepness. None gives the values alone.

    Raises:
        UnknownNameError: Another surrogate.
    """
    exact = torch.where(z.detach().abs() <= width, 0.0, z.detach())
    if surrogate is None:
        return exact
    beyond = z.abs() - width
    match surrogate.name:
        case "identity":
            return replace_gradient(exact, z)
        case "smooth":
            assert surrogate.steepness is not None
            return replace_gradient(exact, z * torch.sigmoid(4 * surrogate.steepness * beyond))
        case "linear":
            assert surrogate.steepness is not None
            return replace_gradient(exact, z * (0.5 + surrogate.steepness * beyond).clamp(0, 1))
    raise UnknownNameError("surrogate of dead_zone", surrogate.name, ("identity", "smooth", "linear"))
