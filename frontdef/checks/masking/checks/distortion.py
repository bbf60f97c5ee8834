"""Perturbations so large that adversarial examples exist for certain: an attack that misses them is at fault.

Whatever of cross-entropy, margin and DLR breaks a sample counts: in so large a ball an honest model that is very robust
stops the first of them often enough.
"""

from __future__ import annotations

import torch

from frontdef.checks.kit import Finding
from frontdef.checks.masking.climb import AttackResult
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, Shares, asks
from frontdef.threat import ThreatModel

GRAY, BOX = ThreatModel("linf", 0.5), ThreatModel("linf", 1.0)
"""Every image can become gray; every image can become any other. In ℓ∞ whatever the norm, because there one ball is
the box itself."""


def unbounded(evidence: Evidence) -> AttackResult:
    """PGD that may turn an image into any other, on each loss."""
    return evidence.pgd("unbounded", threat=BOX, losses=evidence.losses)


def guessing(evidence: Evidence) -> float:
    """Accuracy of the best constant answer to these samples, and at least 1/K."""
    largest = float(torch.bincount(evidence.y).max()) / len(evidence.y)
    return max(1 / evidence.clean.shape[1], largest)


def _above_guessing(evidence: Evidence, attack: AttackResult, eps: float) -> Answer:
    chance = guessing(evidence)
    if attack.error:
        return Finding("alarm", f"no loss gives a gradient: {attack.error}", 1.0, chance)
    return Shares(~attack.broken, f"at ℓ∞ ε = {eps:g} correct:", limit=chance, after=f", guessing gives {chance:.0%}")


@asks(
    "all gray",
    strength="proof",
    reference="Carlini et al. 2019 (arXiv:1902.06705): with high distortion accuracy reaches random guessing",
)
def all_gray(evidence: Evidence) -> Answer:
    """Accuracy stays above guessing although every image may be turned into the same gray."""
    return _above_guessing(evidence, evidence.pgd("all gray", threat=GRAY, losses=evidence.losses), GRAY.eps)


@asks(
    "unbounded",
    strength="proof",
    reference="Athalye et al. 2018 (arXiv:1802.00420): unbounded attacks do not reach 100 % success",
)
def no_bound(evidence: Evidence) -> Answer:
    """Accuracy stays above guessing although every image may be turned into any other."""
    return _above_guessing(evidence, unbounded(evidence), BOX.eps)
