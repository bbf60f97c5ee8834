"""What an attack may do: stay inside its threat model, and leave everything else alone."""

from __future__ import annotations

import numpy as np
import torch

from frontdef.attacks.guard import isolated
from frontdef.checks.invariants.budget import SAMPLES
from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.tasks import colored
from frontdef.checks.invariants.trial import Trial
from frontdef.checks.kit import Finding, at_most


@CHECKS.register("norm and box", reference="arXiv:1902.06705, 4.1: the threat model is stated and kept")
def norm_and_box(trial: Trial) -> Finding:
    """Every example is finite, in [0,1] and, where a radius was given, in the ball, to 1e-6."""
    threat = trial.spec().threat
    outside = int((~threat.contains(trial.task.x, trial.first.examples)).sum())
    return at_most(outside, 0, f"{outside} of {len(trial.task.x)} outside")


@CHECKS.register("model and input untouched", reference="an attack that changes the model attacks another one")
def untouched(trial: Trial) -> Finding:
    """Images, labels, parameters, their flags and the model's mode are what they were."""
    faults = trial.first.faults
    return at_most(len(faults), 0, "; ".join(faults) or "nothing changed")


@CHECKS.register("mode during the attack", reference="batch norm and dropout in training mode are another model")
def mode(trial: Trial) -> Finding:
    """No layer is in training mode at any query, on a model with batch norm and dropout, whose statistics stay."""
    color = trial.variant(task=colored(SAMPLES))
    assert color is not None
    faults = ["queried the model in training mode"] if color.first.trained else []
    return at_most(len([*faults, *color.first.faults]), 0, "; ".join((*faults, *color.first.faults)) or "eval mode")


@CHECKS.register("generators not reseeded", reference="a fixed seed inside makes restarts and repeated runs the same")
def not_reseeded(trial: Trial) -> Finding:
    """What the global generators of torch and numpy draw afterwards depends on how they were seeded before."""
    states = []
    for seed in (1, 2):
        with isolated(trial.task.model, seed):
            trial.library.run(trial.spec(), trial.task.model, trial.task.x[:2].clone(), trial.labels[:2].clone())
            states.append((torch.random.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"]))
    (torch_one, numpy_one), (torch_two, numpy_two) = states
    reseeded = [
        name
        for name, same in (
            ("torch", torch.equal(torch_one, torch_two)),
            ("numpy", np.array_equal(numpy_one, numpy_two)),
        )
        if same
    ]
    return at_most(len(reseeded), 0, f"reseeds {' and '.join(reseeded)}" if reseeded else "draws or leaves them alone")


@CHECKS.register("same seed, same result", reference="a result that cannot be repeated cannot be compared")
def repeatable(trial: Trial) -> Finding:
    """Two runs with the same seed return the same examples, bit by bit."""
    again = trial.run(trial.task.model, trial.task.x, trial.labels).examples
    differ = int((again.nan_to_num(-1) != trial.first.examples.nan_to_num(-1)).flatten(1).any(1).sum())
    return at_most(differ, 0, f"{differ} of {len(again)} differ")


@CHECKS.register(
    "queries counted", reference="arXiv:2404.19460 (AttackBench): budgets compare only where they are counted outside"
)
def counted(trial: Trial) -> Finding:
    """Forward passes that frontdef charges are the rows that the classifier read."""
    run = trial.first
    return at_most(abs(run.charged - run.observed), 0, f"{run.charged} charged, {run.observed} read")


@CHECKS.register("ε = 0", reference="the ball of radius 0 is the image")
def identity(trial: Trial) -> Finding:
    """At a radius of 1e-9 every example is the image, to 1e-6."""
    if not trial.bounded or trial.norm == "l0":
        return Finding("not applicable", "takes no radius" if trial.norm != "l0" else "a radius of values")
    examples = trial.run(trial.task.model, trial.task.x, trial.labels, eps=1e-9).examples
    moved = float((examples - trial.task.x).abs().max())
    return at_most(moved, 1e-6, f"moves a pixel by {moved:.1e}")


@CHECKS.register("8 bits", reference="an image that is stored is rounded")
def rounded(trial: Trial) -> Finding:
    """How many of the successes survive rounding to 256 levels."""
    if not bool(trial.fell.any()):
        return Finding("not applicable", "no success to round")
    levels = (trial.first.examples[trial.fell] * 255).round() / 255
    labels, y = trial.labels[trial.fell], trial.task.y[trial.fell]
    predicted = trial.task.model.predict(levels.clamp(0, 1)).argmax(1)
    kept = int(trial.fooled(predicted, y, labels).sum())
    return Finding("reported", f"{kept} of {len(levels)} survive", kept / len(levels))
