"""What an attack draws: from its seed alone, anew for each image and each restart, and as widely as the ball."""

from __future__ import annotations

import torch
from scipy.stats import kstest

from frontdef.checks.invariants.budget import ALONE, PROJECTED
from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.tasks import Constant, Model, blank
from frontdef.checks.invariants.trial import Trial, changed
from frontdef.checks.kit import Finding, at_most, judged, not_applicable

REACH = 0.75
"""Share of the radius that the largest of some dozen uniform draws exceeds but for one time in thousands."""

STARTS, SMALL, RARE = 1024, 0.2, 1e-6
"""Images of four pixels whose starts are drawn, the radius that no wall cuts there, and the p-value of an alarm."""


@CHECKS.register("another seed", reference="what is drawn is drawn anew; what is not drawn has no seed")
def another_seed(trial: Trial) -> Finding:
    """Another seed gives other examples where the family draws, and the same where it does not."""
    first = trial.first.examples.nan_to_num(-1)
    again = trial.run(trial.task.model, trial.task.x, trial.labels, seed=7).examples.nan_to_num(-1)
    differ = int(((again - first).abs().flatten(1).amax(1) > 1e-6).sum())
    told = f"{differ} of {len(first)} examples change"
    return judged(differ == 0, told, differ, 1) if trial.draws else at_most(differ, 0, told)


@CHECKS.register(
    "random start", reference="arXiv:1706.06083: PGD starts at a random point of the ball, another for each"
)
def random_start(trial: Trial) -> Finding:
    """Where nothing moves it, it stays at a point that differs by image and seed and reaches out to both sides."""
    drawn = trial.variant(random_start=True)
    if drawn is None or trial.targeted:
        return not_applicable("has no random start of its own")
    flat, labels = changed(trial.task.model, Constant(trial.task.classes)), torch.zeros_like(trial.task.y)
    starts = [_farthest(drawn, flat, labels, seed) - trial.task.x for seed in (0, 1)]
    moved = starts[0].flatten(1)
    if trial.norm == "linf":
        reach = torch.minimum(moved.amax(1), -moved.amin(1)) / trial.eps
    else:
        norms = moved.norm(p=2 if trial.norm == "l2" else 1, dim=1) / trial.eps
        reach = torch.where((moved.amax(1) > 0) & (moved.amin(1) < 0), norms.amax(), 0)
    inside = ((trial.task.x + starts[0] > 0) & (trial.task.x + starts[0] < 1)).flatten(1)
    shared = inside[1:] & inside[:1]
    same = int(((moved[1:] - moved[:1]).where(shared, 0).abs().amax(1) < 1e-6).sum())
    near = int((reach < REACH).sum())
    seeded = int(((starts[1] - starts[0]).abs().flatten(1).amax(1) < 1e-6).sum())
    told = f"{near} of {len(moved)} starts stay near, {same} are those of the first image, {seeded} ignore the seed"
    return at_most(near + same + seeded, 0, told)


@CHECKS.register("start law", reference="arXiv:1706.06083: PGD starts at a uniformly random point of the ball")
def start_law(trial: Trial) -> Finding:
    """In the ball of four pixels a random start is as far from the image as a uniformly drawn point is.

    The share of the ball's volume that is nearer, ``(‖δ‖/ε)^4``, is then uniform in every norm.
    """
    task = blank(STARTS)
    drawn = trial.variant(task=task, eps=SMALL, random_start=True)
    if drawn is None or trial.targeted or not trial.bounded:
        return not_applicable("has no random start of its own")
    starts = _farthest(drawn, task.model, task.y, 0)
    nearer = (drawn.moved(task, starts).double() / SMALL).clamp(0, 1) ** task.x[0].numel()
    test = kstest(nearer.cpu().numpy(), "uniform")
    told = f"mean share of the volume nearer {float(nearer.mean()):.2f}, of a uniform draw 0.50"
    return judged(test.pvalue < RARE, told, float(test.statistic), None)


def _farthest(trial: Trial, model: Model, labels: torch.Tensor, seed: int) -> torch.Tensor:
    """The farthest images of a run, asked about or returned: without a success some return the image."""
    x = trial.task.x
    with model.recording() as queries:
        examples = trial.run(model, x, labels, seed=seed).examples
    whole = [examples, *(images for images, _ in queries if len(images) == len(x))]
    return max(whole, key=lambda images: float((images - x).abs().sum()))


@CHECKS.register(
    "asks inside", reference="arXiv:1706.06083: every iterate of PGD is projected onto the ball and the box"
)
def inside(trial: Trial) -> Finding:
    """From a random start, too, no query of projected gradient descent lies outside the ball or the box."""
    drawn = trial.variant(random_start=True)
    if drawn is None or trial.family.name not in PROJECTED:
        return not_applicable("may ask about other images than its iterates")
    task, threat = trial.task, drawn.spec().threat
    with task.model.recording() as queries:
        drawn.run(task.model, task.x, drawn.labels)
    whole = [images for images, _ in queries if len(images) == len(task.x)]
    outside = sum(int((~threat.contains(task.x, images)).sum()) for images in whole)
    return at_most(outside, 0, f"{outside} of {len(whole) * len(task.x)} queries outside")


@CHECKS.register("restarts", reference="arXiv:1902.06705, 5.5: restarts are other runs, and the best one counts")
def restarts(trial: Trial) -> Finding:
    """Three restarts of what stands ask about other images than one, and what one of them breaks is not lost."""
    several = trial.variant(restarts=3) or trial.variant(restarts=3, random_start=True)
    single = several and several.variant(restarts=1)
    if several is None or single is None or trial.targeted:
        return not_applicable("has no restarts")
    flat = changed(trial.task.model, Constant(trial.task.classes))
    asked = [_asked(run, flat, trial) for run in (single, several)]
    lost = _lost(several)
    told = f"{asked[0]} images are asked about in one run, {asked[1]} in three; {lost} successes are lost"
    return judged(asked[1] <= asked[0] or lost > 0, told, lost, 0)


def _asked(trial: Trial, model: Model, plain: Trial) -> int:
    """How many different images are asked about on the way from one that stands, beside one that is wrong as it is."""
    x, y = plain.task.x[:2], torch.tensor([1, 0]).to(plain.task.y)
    with model.recording() as queries:
        trial.run(model, x, y)
    return len(torch.cat([images for images, _ in queries]).flatten(1).unique(dim=0))


def _lost(trial: Trial) -> int:
    """Images that a restart broke by its start alone, and that came back whole, at four times the radius."""
    still = trial.variant(eps=min(4 * trial.eps, 0.9), restarts=4, steps=2, relative_step=0.01)
    if still is None or trial.norm != "linf":
        return 0
    return sum(sample.seen and not sample.success for sample in still.alone[:ALONE])
