"""Random search in squares: a black-box attack that asks for scores and never for a gradient."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.geometry import PROJECTIONS
from frontdef.attacks.native.losses import margin
from frontdef.threat import ThreatModel

SHARE = 0.8
"""Share of the image that the first squares cover (Andriushchenko et al. 2020, p for ℓ∞)."""

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Parts of the budget after which that share is halved, as there."""


def random_search(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    queries: int,
    generator: Generator | None = None,
) -> Tensor:
    """Set a random square of the perturbation to one value and keep it where the margin grows.

    After the Square Attack (Andriushchenko et al. 2020, arXiv:1912.00049, algorithms 1 and 2): for ℓ∞ the start in
    vertical stripes and the squares of ±ε are theirs; for other norms a square of norm ε is written into the
    perturbation, which is then projected onto the ball: simpler than their ℓ2 variant.

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        queries: Forward passes a sample, at most.
        generator: Source of randomness, on the device of ``x``; None takes torch's global one.

    Returns:
        The best examples found, float32 ``(N,C,H,W)`` in [0,1] and in the ball.
    """
    stripes = _signs((len(x), x.shape[1], 1, x.shape[3]), x, generator).expand_as(x)
    best = _inside(x, threat.eps * stripes, threat)
    with torch.no_grad():
        scores = margin(model(best), y)
        for query in range(1, queries):
            candidates = _candidates(x, best, threat, _side(x, query / queries), generator)
            rows = (scores <= 0).nonzero().flatten()
            if not len(rows):
                break
            margins = margin(model(candidates[rows]), y[rows])
            better = rows[margins > scores[rows]]
            best[better] = candidates[better]
            scores[rows] = torch.maximum(scores[rows], margins)
    return best


def _candidates(x: Tensor, best: Tensor, threat: ThreatModel, side: int, generator: Generator | None) -> Tensor:
    # Drawn for the whole batch, so that a sample's search does not depend on which others fell before.
    inside = (
        _within(x, side, x.shape[2], generator)[:, None, :, None]
        & _within(x, side, x.shape[3], generator)[:, None, None, :]
    )
    signs = _signs((len(x), x.shape[1], 1, 1), x, generator)
    area = side * side * x.shape[1]
    height = threat.eps / {"linf": 1.0, "l2": area**0.5, "l1": float(area)}[threat.norm]
    return _inside(x, torch.where(inside, height * signs, best - x), threat)


def _within(x: Tensor, side: int, length: int, generator: Generator | None) -> Tensor:
    start = torch.randint(0, length - side + 1, (len(x), 1), generator=generator, device=x.device)
    places = torch.arange(length, device=x.device)
    return (places >= start) & (places < start + side)


def _side(x: Tensor, spent: float) -> int:
    share = SHARE / 2 ** sum(spent > halving for halving in HALVINGS)
    longest = int(min(x.shape[2:]))
    return max(1, min(longest, round(math.sqrt(share * x.shape[2] * x.shape[3]))))


def _signs(shape: tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator, device=like.device).to(like.dtype) * 2 - 1


def _inside(x: Tensor, delta: Tensor, threat: ThreatModel) -> Tensor:
    return (x + PROJECTIONS[threat.norm](delta.flatten(1), threat.eps).view_as(x)).clamp(0, 1)
