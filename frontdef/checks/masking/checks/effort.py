"""Has the attack converged, or does more of the same break more?"""

from __future__ import annotations

from dataclasses import replace

from frontdef.checks.masking.climb import AttackResult
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, Pairs, asks, stronger


def twice(evidence: Evidence) -> AttackResult:
    """The white-box attack with twice the steps, each half as long."""
    return evidence.pgd("twice the steps", steps=2 * evidence.budget.steps)


@asks("more steps", strength="hint", reference="Carlini et al. 2019 (arXiv:1902.06705), 'Verify attack convergence'")
def more_steps(evidence: Evidence) -> Answer:
    """Twice the steps break more: the attack has not converged."""
    steps = evidence.budget.steps
    return stronger(evidence, twice(evidence), f"PGD with {2 * steps} instead of {steps} steps")


@asks(
    "random starts",
    strength="hint",
    reference="Carlini et al. 2019, 'Start search from random offsets'; Mosbach et al. 2018 (arXiv:1810.12042)",
)
def random_starts(evidence: Evidence) -> Answer:
    """Random starts break more than the start at the image, so the attack gets stuck where it begins."""
    many = evidence.budget.restarts
    return stronger(evidence, evidence.pgd("restarts", restarts=many), f"PGD from {many} random starts")


@asks(
    "more restarts",
    strength="hint",
    reference="Carlini et al. 2019, 'Start search from random offsets'; Mosbach et al. 2018 (arXiv:1810.12042)",
)
def more_restarts(evidence: Evidence) -> Answer:
    """Twice the restarts break more: not enough of them were tried."""
    many, few = evidence.budget.restarts, evidence.budget.restarts // 2
    answer = stronger(evidence, evidence.pgd("restarts", restarts=many), f"PGD from {many} random starts")
    half = evidence.pgd("half the restarts", restarts=few) if few > 1 else evidence.white_box
    if not isinstance(answer, Pairs):
        return answer
    return replace(answer, own=half.broken, best=None, gross=None, whom=f"from {few}")
