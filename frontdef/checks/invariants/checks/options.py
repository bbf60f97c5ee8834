"""What a row offers beside its defaults: classes to reach, and losses to climb."""

from __future__ import annotations

import torch

from frontdef.checks.invariants.checks.equals import SAME, rewritten
from frontdef.checks.invariants.checks.oracle import judge
from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.tasks import linear
from frontdef.checks.invariants.trial import Trial
from frontdef.checks.kit import Finding, at_most, judged, not_applicable

LOSSES = ("margin", "dlr")
"""Losses beside cross-entropy."""

FACTOR = 30.0
"""On logits; neither loss has a gradient that vanishes, and no sign depends on it."""


@CHECKS.register(
    "targets", reference="arXiv:1608.04644, 2.2: a targeted attack ends in the class that it was asked for"
)
def targets(trial: Trial) -> Finding:
    """Asked for a class, it moves every image toward it, and reaches it on a linear model where that can be done."""
    asked = trial.variant(target="next")
    if asked is None or trial.targeted:
        return not_applicable("takes no target, or nothing else")
    model, labels = trial.task.model, asked.labels
    clean, now = (_lead(model.predict(images), labels) for images in (trial.task.x, asked.first.examples.clamp(0, 1)))
    away = int((now < clean - 1e-3).sum())
    if away > SAME:
        return judged(True, f"{away} of {len(now)} end farther from their target", away, SAME)
    known = at_most(away, SAME, "the linear oracle objects already")
    if not judge(trial, linear()).alarm:
        known = judge(asked, linear())
    return Finding(known.status, f"{away} of {len(now)} end farther from their target; {known.measured}", away, SAME)


def _lead(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logit of the target minus the largest of the others, ``(N,)``."""
    target = labels.cpu()[:, None]
    return (logits.gather(1, target) - logits.scatter(1, target, -torch.inf).amax(1, keepdim=True)).squeeze(1)


@CHECKS.register(
    "losses", reference="arXiv:2003.01690, 4: DLR depends neither on a shift of the logits nor on their scale"
)
def losses(trial: Trial) -> Finding:
    """With another loss it breaks what can be broken on a linear model, and the same at logits times 30 plus 100."""
    told, behind = [], 0
    for loss in LOSSES:
        other = trial.variant(loss=loss)
        if other is None:
            continue
        known = judge(other, linear())
        if known.alarm and not judge(trial, linear()).alarm:
            return judged(True, f"{loss}: {known.measured}", known.figure, known.threshold)
        if not other.draws:
            behind = max(behind, int((rewritten(other, scale=FACTOR, shift=100.0) != other.fell).sum()))
        told.append(loss)
    return (
        at_most(behind, SAME, f"{behind} outcomes change, {', '.join(told)}")
        if told
        else not_applicable("has one loss")
    )
