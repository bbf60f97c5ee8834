"""Models whose closest examples are known exactly."""

from __future__ import annotations

import torch

from frontdef.checks.invariants.budget import ADAPTIVE, BLOCKED_BY_THE_BOX, NEAR, UNBOUND_BY_DISTANCE
from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.tasks import Task, confident, corner, disc, faint, linear, pit
from frontdef.checks.invariants.trial import Trial
from frontdef.checks.kit import Finding, at_most, not_applicable
from frontdef.threat import distance

CLOSE = 0.1
"""Relative excess over the exact distance that a minimum-norm attack may have, in the median over its images."""

ROOM = 1.1
"""Radius over the largest exact distance at which a bounded attack breaks all images."""

WIDE = 1.5
"""The same for ℓ1 at the walls: a constant step of several pixels goes back and forth over the surface of the ball."""

LONGER = 4
"""Times the steps where a step moves one pixel to its wall, and no farther."""

HALVINGS = 20
"""Steps in which the step is halved often enough."""

LEFT = 1
"""Images that it may miss there."""


def judge(trial: Trial, task: Task, room: float = ROOM) -> Finding:
    """Whether a row breaks, as near as can be, what can be broken on a task whose distances are known."""
    if trial.family.name in UNBOUND_BY_DISTANCE or trial.norm not in task.distance:
        return not_applicable("no known distance binds it")
    labels = torch.ones_like(task.y) if trial.targeted else task.y
    if trial.family.minimum_norm:
        return _minimum(trial, task, labels)
    return _bounded(trial, task, labels, room)


def _minimum(trial: Trial, task: Task, labels: torch.Tensor) -> Finding:
    examples = trial.run(task.model, task.x, labels).examples
    exact, near = task.distance[trial.norm], NEAR.get(trial.family.name, CLOSE)
    far = distance(task.x, examples, trial.norm)
    fooled = task.model.predict(examples.nan_to_num().clamp(0, 1)).argmax(1) != task.y
    if not bool(fooled.any()):
        return Finding("alarm", "no example is misclassified", 1.0, near)
    excess = torch.where(fooled, far / exact - 1, torch.inf).median().item()
    below = int((fooled & (far < exact * (1 - 1e-3) - 1e-6)).sum())
    if below:
        return Finding("alarm", f"{below} examples are closer than any can be", float(below), 0)
    measured = f"median {1 + excess:.3f} of the exact distance, {int(fooled.sum())} of {len(far)} misclassified"
    return at_most(excess, near, measured)


def _bounded(trial: Trial, task: Task, labels: torch.Tensor, room: float) -> Finding:
    eps = float(task.distance[trial.norm].max()) * room
    examples = trial.run(task.model, task.x, labels, eps=eps).examples
    broken = int(trial.successes(task, examples, labels, eps).sum())
    left = len(task.x) - broken
    return at_most(left, LEFT, f"{left} of {len(task.x)} left at {eps:.3f}, where all can be broken")


@CHECKS.register(
    "linear oracle", reference="the distance to a hyperplane is the margin over the dual norm of its normal"
)
def hyperplane(trial: Trial) -> Finding:
    """On a linear model it breaks what can be broken, as near as the exact distance."""
    return judge(trial, linear())


@CHECKS.register("disc oracle", reference="the distance to a circle is known in every norm")
def circle(trial: Trial) -> Finding:
    """In a plane with a disc it breaks what can be broken, as near as the exact distance."""
    return judge(trial, disc())


@CHECKS.register(
    "corner oracle", reference="a pixel that is 0 or 1 moves one way only: the distance in the box is known"
)
def at_the_walls(trial: Trial) -> Finding:
    """On a linear model it breaks images whose pixels are all 0 or 1, as near as the exact distance inside the box."""
    if (trial.family.name, trial.norm) in BLOCKED_BY_THE_BOX:
        return not_applicable("the box takes a part of its only step")
    steps = getattr(trial.spec().parameters, "steps", 0)
    longer = trial.variant(steps=LONGER * steps) if steps and trial.bounded else None
    return judge(longer or trial, corner(), WIDE if trial.norm == "l1" else ROOM)


@CHECKS.register("confident oracle", reference="arXiv:1608.04644, 3: a temperature is no defense")
def sure(trial: Trial) -> Finding:
    """On a linear model whose logits are up to 80 apart it breaks in the ball what can be broken."""
    return _scaled(trial, confident())


@CHECKS.register("faint oracle", reference="arXiv:1706.06083: a step's length does not depend on the gradient's")
def unsure(trial: Trial) -> Finding:
    """On a linear model whose gradients are ten thousand times smaller it breaks in the ball what can be broken."""
    return _scaled(trial, faint())


def _scaled(trial: Trial, task: Task) -> Finding:
    """The hyperplane with other logits, where it breaks that of the plain ones."""
    if not trial.bounded:
        return not_applicable("takes no radius")
    if judge(trial, linear()).alarm:
        return not_applicable("the linear oracle objects already")
    return judge(trial, task)


@CHECKS.register("pit oracle", reference="arXiv:2003.01690, 3: the step is halved where the loss no longer grows")
def narrow(trial: Trial) -> Finding:
    """Where steps adapt, it ends in a disc of a tenth of the radius, which constant steps step over."""
    longer = trial.variant(steps=HALVINGS) if trial.family.name in ADAPTIVE else None
    if longer is None:
        return not_applicable("its steps do not adapt")
    task = pit(trial.eps)
    labels = torch.ones_like(task.y) if trial.targeted else task.y
    examples = longer.run(task.model, task.x, labels).examples
    left = len(task.x) - int(longer.successes(task, examples, labels).sum())
    return at_most(left, LEFT, f"{left} of {len(task.x)} do not end in the pit")
