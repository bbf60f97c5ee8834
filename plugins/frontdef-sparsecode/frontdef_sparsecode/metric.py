"""A matrix metric: what an attack within ε can do to the code, of the randomized front end too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import frontdef
from frontdef_sparsecode.encoder import activate, largest, project
from frontdef_sparsecode.front_end import SparseCoding
from frontdef_sparsecode.stability import reachable


class CodeParameters(frontdef.Config):
    """For which radius."""

    eps: float = frontdef.field(8 / 255, gt=0, le=1, description="ℓ∞ radius of the attack, in [0,1] pixel values")


@torch.no_grad()
def code_stability(protected: Any, x: Tensor, y: Tensor, parameters: CodeParameters, seed: int) -> Mapping[str, Tensor]:
    """How inert the threshold is, and how much of the code is out of an attacker's reach.

    Args:
        protected: Behind a front end of this plugin; for any other, NaN.
        x: float32 ``(N,C,H,W)`` in [0,1].
        y: Not used.
        parameters: The radius.
        seed: Not used: nothing is drawn.

    Returns:
        Float ``(N,)`` each: ``survival``, share of the T largest that reach the threshold; ``silenced``, share of
        patches whose code is 0; ``constant_patches``, share of patches whose code before dropout cannot change;
        ``constant``, 1 where none can.
    """
    front_end = protected.front_end
    if not isinstance(front_end, SparseCoding):
        nothing = torch.full((len(x),), torch.nan)
        return dict.fromkeys(("survival", "silenced", "constant_patches", "constant"), nothing)
    return _join([_measure(front_end, batch, parameters.eps) for batch in x.split(16)])


def _measure(front_end: SparseCoding[Any], x: Tensor, eps: float) -> dict[str, Tensor]:
    projections = project(x, front_end.atoms, front_end.settings.stride)
    chosen = largest(projections, front_end.settings.top)
    code = activate(projections.gather(-1, chosen), front_end.norms[chosen], front_end.threshold, signed=True)
    constant = reachable(front_end, x, eps).constant
    return {
        "survival": (code != 0).float().mean((1, 2)),
        "silenced": (code == 0).all(-1).float().mean(1),
        "constant_patches": constant.float().mean(1),
        "constant": constant.all(1).float(),
    }


def _join(batches: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([batch[name] for batch in batches]).cpu() for name in batches[0]}
