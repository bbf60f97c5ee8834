"""Has the attack converged, or does more of the same break more?"""

from __future__ import annotations

from frontdef.checks.kit import not_applicable
from frontdef.checks.masking.climb import AttackResult
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, PairedSamples, asks, stronger
from frontdef.checks.masking.statistics import STRONGER


def twice(evidence: Evidence) -> AttackResult:
    """The white-box attack with twice the steps, each half as long."""
    return evidence.pgd("twice the steps", steps=2 * evidence.budget.steps)


def started_anew(evidence: Evidence) -> AttackResult:
    """The white-box attack from random starts."""
    return evidence.pgd("restarts", restarts=evidence.budget.restarts)


@asks("more steps", strength="hint", reference="Carlini et al. 2019 (arXiv:1902.06705), 'Verify attack convergence'")
def more_steps(evidence: Evidence) -> Answer:
    """Twice the steps break more: the attack has not converged."""
    steps = evidence.budget.steps
    return stronger(evidence, twice, f"PGD with {2 * steps} instead of {steps} steps")


@asks(
    "random starts",
    strength="hint",
    reference="Carlini et al. 2019, 'Start search from random offsets'; Mosbach et al. 2018 (arXiv:1810.12042)",
)
def random_starts(evidence: Evidence) -> Answer:
    """Random starts break more than the start at the image, so the attack gets stuck where it begins."""
    return stronger(evidence, started_anew, f"PGD from {evidence.budget.restarts} random starts")


@asks(
    "more restarts",
    strength="hint",
    reference="Carlini et al. 2019, 'Start search from random offsets'; Mosbach et al. 2018 (arXiv:1810.12042)",
)
def more_restarts(evidence: Evidence) -> Answer:
    """Twice the restarts break more of what the start at the image leaves: not enough of them were tried."""
    many, few = evidence.budget.restarts, evidence.budget.restarts // 2
    rival, own = (evidence.white_box.broken.clone() for _ in range(2))
    if bool(evidence.survivors.any()):
        more, half = started_anew(evidence.left), evidence.left.pgd("half the restarts", restarts=few)
        if more.error or half.error:
            return not_applicable(f"PGD from random starts could not run: {more.error or half.error}")
        rival[evidence.survivors], own[evidence.survivors] = more.broken, half.broken
    return PairedSamples(rival, own, f"PGD from {many} random starts", f"from {few}", least=STRONGER, gross=None)
