"""Perturbations so large that adversarial examples exist for certain: an attack that misses them is at fault.

Whatever of cross-entropy, margin and DLR breaks a sample counts: in so large a ball an honest model that is very robust
stops the first of them often enough.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from frontdef.checks.kit import Finding
from frontdef.checks.masking.climb import AttackResult
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, Shares, asks
from frontdef.threat import ThreatModel

GRAY, BOX = ThreatModel("linf", 0.5), ThreatModel("linf", 1.0)
"""Every image can become gray; every image can become any other. In ℓ∞ whatever the norm, because there one ball is
the box itself."""


def gray(evidence: Evidence) -> AttackResult:
    """PGD that may turn an image into the same gray, on each loss."""
    return evidence.pgd("all gray", threat=GRAY, losses=evidence.losses)


def unbounded(evidence: Evidence) -> AttackResult:
    """PGD that may turn an image into any other, on each loss."""
    return evidence.pgd("unbounded", threat=BOX, losses=evidence.losses)


def broken_in(
    evidence: Evidence, ball: ThreatModel, attack: Callable[[Evidence], AttackResult]
) -> tuple[Tensor, AttackResult | None]:
    """What is broken in a ball, bool ``(N,)``: what the white-box attack broke inside it, and what another one does.

    Args:
        evidence: The samples.
        ball: The ball.
        attack: Runs the attack on any of them.

    Returns:
        Which, and the attack on the others; None where there are none.
    """
    broken = evidence.white_box.broken & ball.contains(evidence.x, evidence.white_box.x_adv)
    if bool(broken.all()):
        return broken, None
    rest = ~broken
    result = attack(evidence.part(rest))
    broken[rest] = result.broken
    return broken, result


def guessing(evidence: Evidence) -> float:
    """Accuracy of the best constant answer to these samples, and at least 1/K."""
    largest = float(torch.bincount(evidence.y).max()) / len(evidence.y)
    return max(1 / evidence.clean.shape[1], largest)


def _above_guessing(evidence: Evidence, ball: ThreatModel, attack: Callable[[Evidence], AttackResult]) -> Answer:
    chance, (broken, result) = guessing(evidence), broken_in(evidence, ball, attack)
    if result is not None and result.error:
        return Finding("alarm", f"no loss gives a gradient: {result.error}", 1.0, chance)
    return Shares(~broken, f"at ℓ∞ ε = {ball.eps:g} correct:", limit=chance, after=f", guessing gives {chance:.0%}")


@asks(
    "all gray",
    strength="proof",
    reference="Carlini et al. 2019 (arXiv:1902.06705): with high distortion accuracy reaches random guessing",
)
def all_gray(evidence: Evidence) -> Answer:
    """Accuracy stays above guessing although every image may be turned into the same gray."""
    return _above_guessing(evidence, GRAY, gray)


@asks(
    "unbounded",
    strength="proof",
    reference="Athalye et al. 2018 (arXiv:1802.00420): unbounded attacks do not reach 100 % success",
)
def no_bound(evidence: Evidence) -> Answer:
    """Accuracy stays above guessing although every image may be turned into any other."""
    return _above_guessing(evidence, BOX, unbounded)
