"""Which codes can an attacker reach? Bounds that hold for every perturbation of ℓ∞ norm ε at once.

Let c_l = ⟨d_l, x⟩ be the coefficients of a patch x, t_l = βε_d‖d_l‖₁ the thresholds, and e any perturbation with
‖e‖∞ ≤ ε that leaves the image in [0,1]. An output is not zero exactly where |⟨d_l, x+e⟩| ≥ t_l and l is among the T
largest magnitudes; what happens among coefficients below their thresholds does not show. So an output

* is **always** active, with one sign, if its magnitude never falls below t_l, and fewer than T others can exceed it;
* is **never** active if its magnitude stays below t_l, or if T others always exceed it;
* may be either otherwise, and then with the sign only that its interval allows.

Whether k can exceed l is asked of the pair: for σ = 1 and for σ = −1, |⟨d_k,x+e⟩| − |⟨d_l,x+e⟩| is at most the larger
of s·c_k − σ·c_l + ε‖s·d_k − σ·d_l‖₁ over s = ±1, here with σ = −1 where c_l < 0 and 1 elsewhere. Atoms that resemble
each other move together, so this is often sharper than the intervals of the two; the smaller bound counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef.threat import TOLERANCE
from frontdef_sparsecode.front_end import SparseCoding

SLACK = 1e-5
"""What float32 may add to a coefficient or a threshold: these are at most some ten, and rounded once or twice."""

ROWS = 2**14
"""Coefficients that are compared with all others of their patch at once."""


@dataclass(frozen=True)
class Reach:
    """The codes within reach, before dropout.

    Args:
        low: Smallest output of each atom, float32 ``(N,P,L)``.
        high: Largest.
    """

    low: Tensor
    high: Tensor

    @property
    def constant(self) -> Tensor:
        """Patches whose code cannot change, bool ``(N,P)``."""
        return (self.low == self.high).all(-1)


@torch.no_grad()
def reachable(front_end: SparseCoding[Any], x: Tensor, eps: float) -> Reach:
    """Bound the code of every image within ε.

    Args:
        front_end: Its dictionary, T, threshold and sign are used; its dropout is not.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        eps: ℓ∞ radius, [0,1] pixel values. The tolerance of the runner, 1e-6, is added.
    """
    settings, norms = front_end.settings, front_end.norms.double()
    atoms, eps = front_end.atoms.double().flatten(1), eps + TOLERANCE
    pixels = F.unfold(x.double(), settings.patch, stride=settings.stride).mT
    lowest, highest = (pixels - eps).clamp_min(-TOLERANCE), (pixels + eps).clamp_max(1 + TOLERANCE)
    center = ((lowest + highest) / 2) @ atoms.mT
    radius = ((highest - lowest) / 2) @ atoms.abs().mT
    low, high = center - radius, center + radius

    threshold = front_end.threshold * norms
    least = torch.where(low * high > 0, torch.minimum(low.abs(), high.abs()), 0.0)
    most = torch.maximum(low.abs(), high.abs())
    passes = most >= threshold - SLACK
    fewer, enough = _compete(pixels @ atoms.mT, least, most, atoms, eps, passes, settings.top)
    always = (least >= threshold + SLACK) & fewer
    # T outputs that are always active leave no room for any other.
    full = (always.sum(-1, keepdim=True) == settings.top) & ~always
    maybe = passes & ~enough & ~full

    negative, positive = maybe & (low <= -threshold + SLACK), maybe & (high >= threshold - SLACK)
    if not front_end.config.signed:
        negative, positive = torch.zeros_like(negative), negative | positive
    sign = center.sign() if front_end.config.signed else torch.ones_like(center)
    below = torch.where(always, sign, -negative.double())
    above = torch.where(always, sign, positive.double())
    return Reach((below * norms).float(), (above * norms).float())


def _compete(
    coefficients: Tensor, least: Tensor, most: Tensor, atoms: Tensor, eps: float, queried: Tensor, top: int
) -> tuple[Tensor, Tensor]:
    """Of the coefficients asked for: fewer than ``top`` others can exceed it; ``top`` others always exceed it.

    Args:
        coefficients: At the image, float64 ``(N,P,L)``.
        least: Smallest magnitude within reach.
        most: Largest.
        atoms: float64 ``(L,D)``.
        eps: ℓ∞ radius.
        queried: bool ``(N,P,L)``; the others get False twice.
        top: T.
    """
    apart, together = (_pair_norms(atoms, sign) for sign in (-1, 1))
    # The intervals alone settle most; the pairs are asked about the rest.
    fewer = queried & (_count(most, least - SLACK) - 1 < top)
    enough = queried & (_count(least, most + SLACK) >= top)
    for sample, patch, atom in (chunk.unbind(1) for chunk in (queried & ~fewer & ~enough).nonzero().split(ROWS)):
        others, low, high = (values[sample, patch] for values in (coefficients, least, most))
        own, own_low, own_high = (values.gather(1, atom[:, None]) for values in (others, low, high))
        near, far = eps * apart[atom], eps * together[atom]
        exceeds = torch.minimum(high - own_low, _gain(others, own, near, far)) >= -SLACK
        exceeded = torch.minimum(own_high - low, _gain(own, others, near, far)) < -SLACK
        self_ = F.one_hot(atom, others.shape[1]).bool()
        fewer[sample, patch, atom] = (exceeds & ~self_).sum(1) < top
        enough[sample, patch, atom] = (exceeded & ~self_).sum(1) >= top
    return fewer, enough


def _count(values: Tensor, bounds: Tensor) -> Tensor:
    """How many values of each patch are at least as large as each bound, ``(N,P,L)``."""
    ascending = values.sort(-1).values
    return values.shape[-1] - torch.searchsorted(ascending, bounds.contiguous())


def _gain(winner: Tensor, loser: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """By how much |winner| can exceed |loser|: ``near`` is ε‖d₁ − d₂‖₁, ``far`` ε‖d₁ + d₂‖₁."""
    aligned = torch.where(loser < 0, -winner, winner)
    return torch.maximum(aligned + near, far - aligned) - loser.abs()


def _pair_norms(atoms: Tensor, sign: int) -> Tensor:
    """‖d_k + sign·d_l‖₁ of all pairs, ``(L,L)``."""
    return torch.cdist(atoms, -sign * atoms, p=1)
