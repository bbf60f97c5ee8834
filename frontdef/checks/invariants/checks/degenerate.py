"""Models that give an attack nothing to hold on to."""

from __future__ import annotations

import torch

from frontdef.checks.invariants.budget import PAIRED
from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.tasks import Affine, Constant, Model, disc
from frontdef.checks.invariants.trial import Trial, changed
from frontdef.checks.kit import Finding, at_most, not_applicable

STILL = 1e-6
"""By which a pixel may move that nothing moves: rounding."""


def _bad(trial: Trial, model: Model, labels: torch.Tensor) -> Finding:
    examples = trial.run(model, trial.task.x, labels).examples
    outside = int((~trial.spec().threat.contains(trial.task.x, examples)).sum())
    nan = int((~examples.isfinite().flatten(1).all(1)).sum())
    return at_most(outside, 0, f"{nan} of {len(examples)} not finite, {outside - nan} outside the threat model")


@CHECKS.register("constant model", reference="arXiv:1902.06705, 5.4: an attack must be able to fail")
def constant(trial: Trial) -> Finding:
    """On a model that always says the same it fails: no error, nothing that is not finite or leaves its bounds."""
    targeted = trial.targeted
    labels = torch.full_like(trial.task.y, 1 if targeted else 0)
    return _bad(trial, changed(trial.task.model, Constant(trial.task.classes)), labels)


@CHECKS.register("zero gradient", reference="arXiv:1802.00420: shattered gradients are met, and must not become NaN")
def zero_gradient(trial: Trial) -> Finding:
    """On a model whose gradient is zero it fails: no error, nothing that is not finite or leaves its bounds."""
    flat = Affine(trial.task.model.observed.net, detached=True)
    return _bad(trial, changed(trial.task.model, flat), trial.labels)


@CHECKS.register("ignored pixels", reference="arXiv:1412.6572: the sign of a gradient that is zero is zero")
def ignored(trial: Trial) -> Finding:
    """Where nothing is drawn, pixels that the model does not read stay as they are."""
    still = trial.variant(random_start=False) or trial
    if still.draws or trial.family.follows == "no gradient" or trial.family.name in PAIRED:
        return not_applicable("draws, follows no gradient, or changes pixels in pairs")
    task = disc()
    labels = torch.ones_like(task.y) if trial.targeted else task.y
    moved = (still.run(task.model, task.x, labels).examples - task.x).flatten(1)[:, 2:].abs().amax(1)
    count = int((~(moved <= STILL)).sum())
    told = f"pixels that are not read move in {count} of {len(moved)} images, by up to {float(moved.max()):.2g}"
    return at_most(count, 0, told)
