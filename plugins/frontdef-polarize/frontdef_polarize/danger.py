"""The metric ``danger-zone``: how far a front end has polarized its data."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

import frontdef
from frontdef.memory import at_once
from frontdef.protected import Protected
from frontdef_polarize.front_end import PolarizingFrontEnd


class ZoneConfig(frontdef.Config):
    """How wide the danger zones are."""

    eps: float = frontdef.field(
        0.3,
        gt=0,
        le=1,
        description="half width of the zone around a threshold: the ℓ∞ radius, in [0,1] pixel values",
    )


@torch.no_grad()
def measure(protected: Protected, x: Tensor, y: Tensor, parameters: ZoneConfig, seed: int) -> Mapping[str, Tensor]:
    """Share of activations within ε of a threshold, and whether an image has none there (Figure 1b, Proposition 1).

    Args:
        protected: Its front end quantizes activations; values are NaN for any other.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Not used.
        parameters: ε.
        seed: Not used.

    Returns:
        ``in zone``: share of the activations, in [0,1]; ``unchanged``: 1 where there is none, so that no perturbation
        of ε changes the code, else 0. Each ``(N,)``.
    """
    front_end = protected.front_end
    if not isinstance(front_end, PolarizingFrontEnd):
        nothing = torch.full((len(x),), torch.nan)
        return {"in zone": nothing, "unchanged": nothing}
    shares = torch.cat([_share(front_end, batch, parameters.eps) for batch in x.split(at_once(x.shape[1:]))])
    return {"in zone": shares, "unchanged": (shares == 0).float()}


def _share(front_end: PolarizingFrontEnd, x: Tensor, eps: float) -> Tensor:
    z = front_end.activations(x.double())
    distance = torch.full_like(z, torch.inf)
    for threshold in front_end.config.thresholds:
        distance = torch.minimum(distance, (z - threshold).abs())
    return (distance <= eps).flatten(1).float().mean(1)
