"""Has the attack converged, or does more of the same break more?"""

from __future__ import annotations

from frontdef.checks.kit import Finding, judged
from frontdef.checks.masking.evidence import AttackResult, Evidence
from frontdef.checks.masking.statistics import LEVEL, MARGIN, share, wins
from frontdef.checks.masking.table import CHECKS


def twice(evidence: Evidence) -> AttackResult:
    """The white-box attack with twice the steps, each half as long."""
    return evidence.pgd("twice the steps", steps=2 * evidence.budget.steps)


def _finding(more: AttackResult, less: AttackResult, what: str) -> Finding:
    gain, p = wins(more.broken, less.broken)
    said = f"{what}: {share(less.broken):.0%} → {share(more.broken):.0%} of {len(less.broken)}; p = {p:.2g}"
    return judged(p < LEVEL and gain >= MARGIN, said, gain, MARGIN)


@CHECKS.register(
    "more steps", strength="hint", reference="Carlini et al. 2019 (arXiv:1902.06705), 'Verify attack convergence'"
)
def more_steps(evidence: Evidence) -> Finding:
    """Twice the steps break more: the attack has not converged."""
    steps = evidence.budget.steps
    return _finding(twice(evidence), evidence.white_box, f"{steps} → {2 * steps} steps")


@CHECKS.register(
    "more restarts",
    strength="hint",
    reference="Carlini et al. 2019, 'Start search from random offsets'; Mosbach et al. 2018 (arXiv:1810.12042)",
)
def more_restarts(evidence: Evidence) -> Finding:
    """Twice the restarts break more: the attack gets stuck where it starts."""
    many, few = evidence.budget.restarts, evidence.budget.restarts // 2
    half = evidence.pgd("half the restarts", restarts=few) if few > 1 else evidence.white_box
    return _finding(evidence.pgd("restarts", restarts=many), half, f"{few} → {many} starts")
