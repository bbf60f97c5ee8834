"""More must not help the defender, and what an attack has seen it must return."""

from __future__ import annotations

from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.trial import Trial
from frontdef.checks.kit import Finding, at_most, not_applicable

SLACK = 2
"""Samples by which a larger ball or budget may do worse: chance, and steps that overshoot."""


@CHECKS.register("grows with ε", reference="arXiv:1902.06705, 5.6: attack success grows with the perturbation budget")
def grows_with_radius(trial: Trial) -> Finding:
    """Half the radius breaks fewer samples, twice the radius more."""
    if not trial.bounded:
        return not_applicable("takes no radius")
    counts = []
    for factor in (0.5, 1.0, 2.0):
        eps = trial.eps * factor
        examples = trial.run(trial.task.model, trial.task.x, trial.labels, eps=eps).examples
        counts.append(int(trial.successes(trial.task, examples, trial.labels, eps).sum()))
    drop = max(counts[0] - counts[1], counts[1] - counts[2])
    return at_most(drop, SLACK, f"{counts[0]}, {counts[1]}, {counts[2]} of {len(trial.task.x)} at ε/2, ε, 2ε")


@CHECKS.register("grows with effort", reference="arXiv:1902.06705, 5.5: more iterations do not make an attack weaker")
def grows_with_effort(trial: Trial) -> Finding:
    """A quarter of the steps, queries or draws breaks fewer samples."""
    if trial.effort is None:
        return not_applicable("has no steps")
    full = getattr(trial.spec().parameters, trial.effort)
    examples = trial.run(trial.task.model, trial.task.x, trial.labels, **{trial.effort: max(1, full // 4)}).examples
    few, many = int(trial.successes(trial.task, examples, trial.labels).sum()), int(trial.fell.sum())
    measured = f"{few} and {many} of {len(trial.task.x)} with {max(1, full // 4)} and {full} {trial.effort}"
    return at_most(few - many, SLACK, measured)


@CHECKS.register("seen, so returned", reference="arXiv:2106.09947 (indicators of attack failure): silent success")
def returned(trial: Trial) -> Finding:
    """An image that any query inside the ball has broken comes back broken."""
    lost = sum(sample.seen and not sample.success for sample in trial.alone)
    seen = sum(sample.seen for sample in trial.alone)
    return at_most(lost, 0, f"{lost} of {seen} that were seen are not returned")
