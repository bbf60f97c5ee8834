"""Perturbations so large that adversarial examples exist for certain: an attack that misses them is at fault."""

from __future__ import annotations

import torch

from frontdef.checks.kit import Finding, judged
from frontdef.checks.masking.evidence import AttackResult, Evidence
from frontdef.checks.masking.statistics import exceeds, share
from frontdef.checks.masking.table import CHECKS
from frontdef.threat import ThreatModel

GRAY, BOX = ThreatModel("linf", 0.5), ThreatModel("linf", 1.0)
"""Every image can become gray; every image can become any other. In ℓ∞ whatever the norm, because there one ball is
the box itself."""


def unbounded(evidence: Evidence) -> AttackResult:
    """PGD that may turn an image into any other."""
    return evidence.pgd("unbounded", threat=BOX)


def guessing(evidence: Evidence) -> float:
    """Accuracy of the best constant answer to these samples, and at least 1/K."""
    largest = float(torch.bincount(evidence.y).max()) / len(evidence.y)
    return max(1 / evidence.clean.shape[1], largest)


def _finding(evidence: Evidence, attack: AttackResult, eps: float) -> Finding:
    robust, chance = ~attack.broken, guessing(evidence)
    said = f"accuracy {share(robust):.0%} at ℓ∞ ε = {eps:g}, guessing gives {chance:.0%}"
    return judged(exceeds(robust, chance), said, share(robust), chance)


@CHECKS.register(
    "all gray",
    strength="proof",
    reference="Carlini et al. 2019 (arXiv:1902.06705): with high distortion accuracy reaches random guessing",
)
def all_gray(evidence: Evidence) -> Finding:
    """Accuracy stays above guessing although every image may be turned into the same gray."""
    return _finding(evidence, evidence.pgd("all gray", threat=GRAY), GRAY.eps)


@CHECKS.register(
    "unbounded",
    strength="proof",
    reference="Athalye et al. 2018 (arXiv:1802.00420): unbounded attacks do not reach 100 % success",
)
def no_bound(evidence: Evidence) -> Finding:
    """Accuracy stays above guessing although every image may be turned into any other."""
    return _finding(evidence, unbounded(evidence), BOX.eps)
