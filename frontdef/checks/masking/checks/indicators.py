"""The six indicators of attack failure (Pintor et al. 2022, arXiv:2106.09947), by the rules of the authors' code.

They judge one sample a call and publish no cut for a set of samples: here an indicator raises an alarm where it fires
on more than `TOLERATED` of the samples for certain. Those that ask why an attack failed look at the samples on which it
did. I4 stands for something that can be measured, so it raises one only where twice the steps do break `MARGIN` more.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef.attacks.native.losses import cross_entropy
from frontdef.checks.kit import Finding, judged, not_applicable
from frontdef.checks.masking.checks.distortion import BOX, broken_in, unbounded
from frontdef.checks.masking.checks.effort import twice
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, Shares, asks
from frontdef.checks.masking.statistics import MARGIN, TOLERATED, exceeds, share, wins
from frontdef.checks.masking.table import CHECKS

PAPER = "Pintor et al. 2022 (arXiv:2106.09947), "
RADIUS = 4 / 255
"""Half width of the cube in which the loss is sampled (their ``radius`` of 8/255 is its edge)."""

UNSTABLE = 16
"""Samples around which it is sampled: the figure is reported and decides nothing."""

LAST, STILL_MOVING = 10, 0.05
"""An optimization is incomplete where the best loss, scaled to [0,1], moved by more than 0.05 in its last 10 steps."""

NO_GRADIENT = "there is no gradient at all"


@asks("unavailable gradients", strength="hint", reference=PAPER + "I1")
def unavailable_gradients(evidence: Evidence) -> Answer:
    """The gradient of the attack's loss is missing or zero at the images themselves."""
    gradient = evidence.gradient("cross-entropy")
    if isinstance(gradient, str):
        return Finding("alarm", f"{NO_GRADIENT}: {gradient}", 1.0, TOLERATED)
    zero = (gradient.flatten(1) == 0).all(dim=1)
    return Shares(zero, "zero on")


@CHECKS.register(
    "unstable predictions", strength="hint", reference=PAPER + "I2; no cut is published, so it is reported only"
)
def unstable_predictions(evidence: Evidence) -> Finding:
    """The loss varies so much around the images that its slope says nothing."""
    x, y = evidence.x[:UNSTABLE], evidence.y[:UNSTABLE]

    def run() -> Tensor:
        loss = cross_entropy(evidence.look(x, evidence.attacked), y)
        scale = torch.where(loss == 0, torch.ones_like(loss), loss.abs())
        total = torch.zeros_like(loss)
        for _ in range(evidence.budget.directions):
            near = (x + torch.empty_like(x).uniform_(-RADIUS, RADIUS)).clamp(0, 1)
            total += (loss - cross_entropy(evidence.look(near, evidence.attacked), y)).abs() / scale
        return (total / evidence.budget.directions).clamp(max=1)

    figure = float(evidence.once("random directions", run).mean())
    return Finding("reported", f"mean relative change of the loss within ±4/255: {figure:.2g}", figure, n=len(x))


@asks("silent success", strength="hint", reference=PAPER + "I3")
def silent_success(evidence: Evidence) -> Answer:
    """Steps on the way succeed, and the last iterate, which libraries return, does not."""
    climb = evidence.white_box
    if climb.error:
        return not_applicable(NO_GRADIENT)
    silent = climb.wrong[:-1].any(dim=0) & ~climb.wrong[-1]
    return Shares(silent, "on")


@CHECKS.register("incomplete optimization", strength="hint", reference=PAPER + "I4")
def incomplete_optimization(evidence: Evidence) -> Finding:
    """Where the attack fails, its loss was still rising when it stopped, and more steps break more."""
    climb = evidence.white_box
    if climb.error:
        return not_applicable(NO_GRADIENT)
    moving = still_moving(F.softplus(climb.losses[:, evidence.survivors]))
    said = f"{int(moving.sum())} of {len(moving)} that survive"
    if not exceeds(moving):
        return judged(False, said, share(moving), TOLERATED)
    gain, _ = wins(evidence.everywhere(twice), climb.broken)
    return judged(gain >= MARGIN, f"{said}; twice the steps break {gain:+.0%}", share(moving), TOLERATED)


def still_moving(losses: Tensor) -> Tensor:
    """Which optimizations are incomplete; bool ``(N,)``.

    Args:
        losses: What is maximized, at each iterate, ``(T+1,N)``.
    """
    if losses.numel() == 0:
        return torch.zeros(losses.shape[1], dtype=torch.bool, device=losses.device)
    low, high = losses.amin(dim=0), losses.amax(dim=0)
    scaled = (losses - low) / torch.where(high > low, high - low, torch.ones_like(high))
    last = scaled.cummax(dim=0).values[-LAST:]
    return last.amax(dim=0) - last.amin(dim=0) > STILL_MOVING


@asks("transfer failure", strength="hint", reference=PAPER + "I5")
def transfer_failure(evidence: Evidence) -> Answer:
    """The model that the attack sees and the one that is judged disagree on its examples."""
    examples = evidence.white_box.x_adv
    seen = evidence.once(
        "labels that the attack sees", lambda: evidence.look(examples, evidence.attacked).argmax(dim=1)
    )
    fresh = evidence.once("labels by a fresh look", lambda: evidence.look(examples).argmax(dim=1))
    apart = seen != fresh
    return Shares(apart, "labels differ for")


@asks("unconstrained attack failure", strength="hint", reference=PAPER + "I6")
def unconstrained_failure(evidence: Evidence) -> Answer:
    """The attack fails even where every image is allowed."""
    broken, _ = broken_in(evidence, BOX, unbounded)
    return Shares(~broken, "fails on")
