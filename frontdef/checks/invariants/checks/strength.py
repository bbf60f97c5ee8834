"""More must not help the defender, and what an attack has seen it must return."""

from __future__ import annotations

from frontdef.checks.invariants.budget import BASELINES, LAST_ITERATE, SAMPLES, TRANSFORMED
from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.tasks import colored
from frontdef.checks.invariants.trial import Trial
from frontdef.checks.kit import Finding, at_most, judged, not_applicable

SLACK = 2
"""Samples by which a larger ball or budget may do worse: chance, and steps that overshoot."""

STEPPED = ("linf", "l2", "l1")
"""Norms in which there is a step along the gradient."""


@CHECKS.register("grows with ε", reference="arXiv:1902.06705, 5.6: attack success grows with the perturbation budget")
def grows_with_radius(trial: Trial) -> Finding:
    """Half the radius breaks fewer samples, twice the radius more, and that breaks some."""
    if not trial.bounded:
        return not_applicable("takes no radius")
    counts = []
    for factor in (0.5, 1.0, 2.0):
        eps = trial.eps * factor
        examples = trial.run(trial.task.model, trial.task.x, trial.labels, eps=eps).examples
        counts.append(int(trial.successes(trial.task, examples, trial.labels, eps).sum()))
    drop = max(counts[0] - counts[1], counts[1] - counts[2])
    measured = f"{counts[0]}, {counts[1]}, {counts[2]} of {len(trial.task.x)} at ε/2, ε, 2ε"
    if counts[2] or trial.family.name in BASELINES or not _breakable(trial, 2 * trial.eps):
        return at_most(drop, SLACK, measured)
    return judged(True, f"breaks nothing: {measured}")


def _breakable(trial: Trial, eps: float) -> bool:
    """Whether one step along the gradient breaks any image at a radius; yes in a norm that has none."""
    if trial.norm not in STEPPED:
        return True
    wider = trial.variant(eps=eps)
    return wider is not None and bool(wider.one_step.any())


@CHECKS.register("one step", reference="arXiv:1802.00420, 3.1: a single step does not beat an iterative attack")
def beats_one_step(trial: Trial) -> Finding:
    """It breaks no fewer samples than one step along the gradient, in gray and in color."""
    if not trial.family.gradient or trial.norm not in STEPPED or trial.family.name in TRANSFORMED:
        return not_applicable("climbs no gradient in a norm that has one step")
    color = trial.variant(task=colored(SAMPLES))
    assert color is not None
    behind, told = 0, []
    for here, name in ((trial, trial.task.name or "gray"), (color, "color")):
        fell, step = int(here.fell.sum()), int(here.one_step.sum())
        behind = max(behind, step - fell)
        told.append(f"{fell} of {len(here.task.x)} in {name}, one step {step}")
    return at_most(behind, SLACK, "; ".join(told))


@CHECKS.register("grows with effort", reference="arXiv:1902.06705, 5.5: more iterations do not make an attack weaker")
def grows_with_effort(trial: Trial) -> Finding:
    """A quarter of the steps, queries or draws breaks fewer samples."""
    if trial.effort is None:
        return not_applicable("has no steps")
    full = getattr(trial.spec().parameters, trial.effort)
    short = trial.variant(**{trial.effort: max(1, full // 4)})
    if short is None:
        return not_applicable(f"takes {full} {trial.effort} and no others")
    examples = short.run(trial.task.model, trial.task.x, trial.labels).examples
    few, many = int(trial.successes(trial.task, examples, trial.labels).sum()), int(trial.fell.sum())
    measured = f"{few} and {many} of {len(trial.task.x)} with {max(1, full // 4)} and {full} {trial.effort}"
    return at_most(few - many, SLACK, measured)


@CHECKS.register("seen, so returned", reference="arXiv:2106.09947 (indicators of attack failure): silent success")
def returned(trial: Trial) -> Finding:
    """An image that any query inside the ball has broken comes back broken; of last iterates at least half of them."""
    lost = sum(sample.seen and not sample.success for sample in trial.alone)
    seen = sum(sample.seen for sample in trial.alone)
    allowed = seen // 2 if trial.family.name in LAST_ITERATE else 0
    return at_most(lost, allowed, f"{lost} of {seen} that were seen are not returned")
