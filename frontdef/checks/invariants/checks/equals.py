"""The same classifier written differently must fall for the same images."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from frontdef.checks.invariants.budget import ALONE
from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.tasks import Affine
from frontdef.checks.invariants.trial import Trial, changed
from frontdef.checks.kit import Finding, at_most, judged, not_applicable

SAME = 1
"""Samples whose outcome rounding may change."""

VANISHING = -math.log(torch.finfo(torch.float32).tiny)
"""A margin of logits beyond which the softmax of the other classes, and with it the gradient of cross-entropy, is below
float32's smallest normal number; from 104 on it is 0."""

FAR = 0.02
"""Relative change of a distance that a batch may make: rounding, where the last step decides."""

SCALED = 4
"""Samples whose outcome a factor may change: it shifts the weights with which a loss mixes the wrong classes."""


def equal(trial: Trial, *outcomes: Tensor, slack: int = SAME) -> Finding:
    """Every outcome is that of the first run."""
    if not bool(torch.stack([trial.fell, *outcomes]).any()):
        return not_applicable("nothing falls")
    differ = max(int((outcome != trial.fell).sum()) for outcome in outcomes)
    counts = ", ".join(str(int(outcome.sum())) for outcome in outcomes)
    return at_most(differ, slack, f"{differ} outcomes change: {int(trial.fell.sum())} fell, now {counts}")


def rewritten(trial: Trial, **change: object) -> Tensor:
    """Outcome on the trained model with its logits or units changed."""
    net = Affine(trial.task.model.observed.net, **change)  # type: ignore[arg-type]
    return trial.outcome(changed(trial.task.model, net), order=change.get("order"))  # type: ignore[arg-type]


@CHECKS.register("logit shift", reference="softmax and argmax do not depend on a common summand")
def shift(trial: Trial) -> Finding:
    """The same images fall when 100 is added to, or taken from, every logit."""
    return equal(trial, rewritten(trial, shift=100.0), rewritten(trial, shift=-100.0))


@CHECKS.register(
    "logit scale", reference="arXiv:1608.04644, 3: a temperature is no defense; argmax does not depend on a factor"
)
def scale(trial: Trial) -> Finding:
    """No fewer images fall when every logit is divided or multiplied by 10."""
    if not bool(trial.fell.any()):
        return not_applicable("nothing falls")
    if trial.task.margin * 10 > VANISHING:
        return not_applicable(f"float32 has no gradient at ten times its margins, of up to {trial.task.margin:.1f}")
    scaled = [rewritten(trial, scale=factor) for factor in (0.1, 10.0)]
    lost = max(int((trial.fell & ~now).sum()) for now in scaled)
    counts = " and ".join(str(int(now.sum())) for now in scaled)
    return at_most(lost, SCALED, f"{lost} of {int(trial.fell.sum())} no longer fall, {counts} fall now")


@CHECKS.register("class order", reference="classes have no order")
def classes(trial: Trial) -> Finding:
    """The same images fall when the classes are numbered backwards."""
    return equal(trial, rewritten(trial, order=torch.arange(trial.task.classes).flip(0)))


@CHECKS.register("sample order", reference="samples are attacked each by itself")
def samples(trial: Trial) -> Finding:
    """The same images fall, as far away, when the batch is turned around, up to what another seed changes."""
    task, labels = trial.task, trial.labels
    examples = trial.run(task.model, task.x.flip(0), labels.flip(0)).examples.flip(0)
    return nearby(trial, equal(trial, trial.successes(task, examples, labels), slack=SAME + 2 * trial.chance), examples)


def nearby(trial: Trial, finding: Finding, examples: Tensor) -> Finding:
    """The finding, or that examples of an attack that does not draw ended at other distances than in the first run."""
    if finding.alarm or trial.draws:
        return finding
    here = trial.moved(replace(trial.task, x=trial.task.x[: len(examples)]), examples)
    first = trial.moved(trial.task, trial.first.examples)[: len(examples)]
    far = int(((here - first).abs() > FAR * first + 1e-4).sum())
    return judged(far > SAME, f"{finding.measured}; {far} of {len(here)} distances change", far, SAME)


@CHECKS.register("batch size", reference="samples are attacked each by itself")
def batch(trial: Trial) -> Finding:
    """The same images fall, as far away, alone and in a short batch, up to what another seed changes."""
    task, labels, short = trial.task, trial.labels, slice(0, ALONE + 1)
    now = torch.tensor([sample.success for sample in trial.alone])
    few = replace(task, x=task.x[short], y=task.y[short])
    examples = trial.run(few.model, few.x, labels[short]).examples
    together = trial.successes(few, examples, labels[short])
    differ = max(int((now != trial.fell[:ALONE]).sum()), int((together != trial.fell[short]).sum()))
    counts = f"{int(trial.fell[:ALONE].sum())} fell together, {int(now.sum())} alone"
    finding = at_most(differ, SAME + 2 * trial.chance, f"{differ} of {ALONE} outcomes change: {counts}")
    if finding.alarm or trial.draws:
        return finding
    first = trial.moved(task, trial.first.examples)[:ALONE]
    apart = torch.tensor([sample.moved for sample in trial.alone]) - first.cpu()
    far = int((apart.abs() > FAR * first.cpu() + 1e-4).sum())
    if far > SAME:
        return judged(True, f"{finding.measured}; {far} of {ALONE} distances change", far, SAME)
    return nearby(trial, finding, examples)


@CHECKS.register("input units", reference="gray levels are a unit")
def units(trial: Trial) -> Finding:
    """The same images fall when the model reads gray levels from 0 to 255 behind a rescaling layer."""
    return equal(trial, rewritten(trial, unit=255.0))
