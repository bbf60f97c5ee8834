"""Random search in squares: a black-box attack that asks for scores and never for a gradient."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.ascent import nearest
from frontdef.attacks.native.losses import margin
from frontdef.threat import ThreatModel

SHARE = 0.8
"""Share of the image that the first squares cover (Andriushchenko et al. 2020, p for ℓ∞)."""

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Parts of the budget after which that share is halved, as there."""

BUDGET = 10_000
"""Queries of which these are parts, where the schedule is not stretched over the queries that there are."""


def random_search(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    queries: int,
    share: float = SHARE,
    stretched: bool = True,
    left: Tensor | None = None,
    start: Tensor | None = None,
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
        share: Share of the image that the first squares cover.
        stretched: Whether the squares shrink by the share of ``queries`` that is spent, not by 10 000ths.
        left: Samples that are attacked, int64; None takes all. The others come back as they are.
        start: Where the searches start, ``(N,C,H,W)`` in the ball and in [0,1]; None takes vertical stripes.
        generator: Source of randomness, on the device of ``x``; None takes torch's global one.

    Returns:
        The best examples found, float32 ``(N,C,H,W)`` in [0,1] and in the ball.
    """
    rows = torch.arange(len(x), device=x.device) if left is None else left
    best, scores = x.detach().clone(), torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    candidates = (_striped(x, threat, generator) if start is None else start)[rows]
    with torch.no_grad():
        for query in range(1, queries + 1):
            margins = margin(model(candidates), y[rows]).double()
            better = margins > scores[rows]
            best[rows[better]], scores[rows[better]] = candidates[better], margins[better]
            rows = rows[scores[rows] <= 0]
            if not len(rows) or query == queries:
                break
            side = _side(x, query / (queries if stretched else BUDGET), share)
            candidates = _candidates(x, best, rows, threat, side, generator)
    return best


def square(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    queries: int,
    share: float = SHARE,
    stretched: bool = True,
    restarts: int = 1,
    generator: Generator | None = None,
) -> Tensor:
    """`random_search`, run after run, of the samples that stand; what is misclassified as it is stays as it is.

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        queries: Forward passes a sample and run, at most.
        share: As for `random_search`.
        stretched: As for `random_search`.
        restarts: Runs, each from other stripes.
        generator: Source of randomness, on the device of ``x``; None takes torch's global one.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball: of each sample the first success, or the best of the
        last run.
    """
    result = x.detach().clone()
    with torch.no_grad():
        left = (margin(model(x), y) <= 0).nonzero().flatten()
        for run in range(restarts):
            if not len(left):
                break
            result[left] = random_search(
                model, x, y,
                threat=threat, queries=queries, share=share, stretched=stretched, left=left, generator=generator,
            )[left]  # fmt: skip
            if run < restarts - 1:
                left = left[margin(model(result[left]), y[left]) <= 0]
    return result


def _striped(x: Tensor, threat: ThreatModel, generator: Generator | None) -> Tensor:
    stripes = _signs((len(x), x.shape[1], 1, x.shape[3]), x, generator).expand_as(x)
    return nearest(x + threat.eps * stripes, x, threat)


def _candidates(
    x: Tensor, best: Tensor, rows: Tensor, threat: ThreatModel, side: int, generator: Generator | None
) -> Tensor:
    # Drawn for the whole batch, so that a sample's search does not depend on which others fell before.
    tall, wide = (_within(x, side, length, rows, generator) for length in x.shape[2:])
    signs = _signs((len(x), x.shape[1], 1, 1), x, generator)[rows]
    area = side * side * x.shape[1]
    height = threat.eps / {"linf": 1.0, "l2": area**0.5, "l1": float(area)}[threat.norm]
    x, best = x[rows], best[rows]
    inside = tall[:, None, :, None] & wide[:, None, None, :]
    return nearest(x + torch.where(inside, height * signs, best - x), x, threat)


def _within(x: Tensor, side: int, length: int, rows: Tensor, generator: Generator | None) -> Tensor:
    start = torch.randint(0, length - side + 1, (len(x), 1), generator=generator, device=x.device)[rows]
    places = torch.arange(length, device=x.device)
    return (places >= start) & (places < start + side)


def _side(x: Tensor, spent: float, share: float) -> int:
    share = share / 2 ** sum(spent > halving for halving in HALVINGS)
    longest = int(min(x.shape[2:]))
    return max(1, min(longest, round(math.sqrt(share * x.shape[2] * x.shape[3]))))


def _signs(shape: tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator, device=like.device).to(like.dtype) * 2 - 1
