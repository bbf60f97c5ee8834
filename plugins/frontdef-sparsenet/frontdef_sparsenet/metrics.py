"""The certificate as a number: the largest radius that is proved."""

from __future__ import annotations

import torch
from torch import Tensor

from frontdef import Config
from frontdef.memory import at_once
from frontdef.protected import Protected
from frontdef.threat import TOLERANCE
from frontdef_sparsenet.certificate import BOUNDS, Bound
from frontdef_sparsenet.front_end import SparseNetFrontEnd

HALVINGS = 24
"""Steps of the bisection: the radius is known to 6e-8."""


def certified_radius(protected: Protected, x: Tensor, y: Tensor, parameters: Config, seed: int) -> dict[str, Tensor]:
    """The largest ε in [0,1] at which a sample is certified, by each bound; found by bisection, rounded down.

    Args:
        protected: A model behind ``sparsenet``; others have no such radius.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        parameters: None.
        seed: Not used.

    Returns:
        ``product`` (Theorem 2) and ``intervals`` → float64 ``(N,)``: 0 where nothing is proved, as for every sample
        that is classified wrongly; NaN for other defenses.
    """
    names = ("product", "intervals")
    if not isinstance(protected.front_end, SparseNetFrontEnd):
        return {name: torch.full((len(x),), torch.nan) for name in names}
    size, front_end = at_once(x.shape[1:]), protected.front_end
    batches = list(zip(x.split(size), y.split(size), strict=True))
    return {
        name: torch.cat([_largest(BOUNDS[name], protected, front_end, *batch) for batch in batches]) for name in names
    }


def _largest(bound: Bound, protected: Protected, front_end: SparseNetFrontEnd, x: Tensor, y: Tensor) -> Tensor:
    # A bound that holds at one radius holds at every smaller one.
    low = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    high = torch.ones_like(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        proved = bound(front_end, protected.classifier, x, y, middle + TOLERANCE)
        low, high = torch.where(proved, middle, low), torch.where(proved, high, middle)
    return low
