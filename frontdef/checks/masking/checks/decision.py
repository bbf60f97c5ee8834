"""Does the margin lead to the decision, or does the prediction change where the logits promise nothing?"""

from __future__ import annotations

import torch
from torch import Tensor

from frontdef.attacks.native.losses import margin
from frontdef.checks.kit import not_applicable
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, Shares, asks

HALVINGS = 12
"""Bisections: the prediction changes within 1/4096 of the way."""

JUMP = 1.0
"""Share of the clean margin that a margin may not lose there; an honest quantizer loses what a pixel or two weigh."""

FASTEST = 2.0
"""Pixels go their way at powers from 1/2 to 2 of the time, so that no two cross a threshold at once."""


@asks(
    "decision jump",
    strength="hint",
    reference="ours, by the bisection of decision-based attacks (Brendel et al. 2018, arXiv:1712.04248)",
)
def decision_jump(evidence: Evidence) -> Answer:
    """Where the attack fails, the margin jumps past zero as the prediction changes: no slope leads there."""
    if evidence.randomized:
        return not_applicable("randomized: predictions change by themselves")
    x, ends, rows = _ways(evidence)
    if not len(x):
        return not_applicable("PGD breaks all samples, or no image is known that is classified otherwise")
    jumps = evidence.once("bisection", lambda: _jumps(evidence, x, ends, evidence.y[rows]))
    clean = -margin(evidence.clean, evidence.y)
    scale = torch.maximum(clean[rows], clean.median())
    return Shares(jumps > JUMP * scale, "the whole clean margin is lost at once for", after=" that survive")


def _ways(evidence: Evidence) -> tuple[Tensor, Tensor, Tensor]:
    """Images that survive, where to go from them to be classified otherwise, and their numbers ``(M,)``.

    To an adversarial example of the random search, or where there is none, to a sample of another class.
    """
    x, y = evidence.x, evidence.y
    other = (y[None, :] != y[:, None]).to(torch.uint8)
    rows = evidence.survivors.nonzero().flatten()
    ends, known = x[other.argmax(dim=1)][rows], other.any(dim=1)[rows].bool()
    search = evidence.left.search() if len(rows) else None
    if search is not None and not search.error:
        ends = torch.where(search.broken.view(-1, 1, 1, 1), search.x_adv, ends)
        known = known | search.broken
    return x[rows[known]], ends[known], rows[known]


def _jumps(evidence: Evidence, x: Tensor, ends: Tensor, y: Tensor) -> Tensor:
    """How much the margin loses within 1/4096 of the way, where the prediction changes, ``(M,)``."""
    powers = FASTEST ** torch.empty_like(x).uniform_(-1, 1)

    def margins(time: Tensor) -> Tensor:
        points = x + (ends - x) * time.view(-1, 1, 1, 1) ** powers
        return -margin(evidence.look(points, evidence.model), y)

    right, wrong = torch.zeros_like(y, dtype=x.dtype), torch.ones_like(y, dtype=x.dtype)
    before, after = margins(right), margins(wrong)
    for _ in range(HALVINGS):
        middle = (right + wrong) / 2
        at = margins(middle)
        stays = at > 0
        right, wrong = torch.where(stays, middle, right), torch.where(stays, wrong, middle)
        before, after = torch.where(stays, at, before), torch.where(stays, after, at)
    return torch.where((before > 0) & (after <= 0), before - after, torch.zeros_like(before))
