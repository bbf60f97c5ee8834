"""A cascade of attacks: cheap first, each stage on the samples that the ones before have left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from frontdef.attacks.native.autopgd import AutoPgd, ClimbRun, Objective
from frontdef.attacks.native.geometry import random_perturbation
from frontdef.attacks.native.losses import DIRECTIONS, gap, targeted_dlr
from frontdef.attacks.native.square import random_search
from frontdef.attacks.native.stages import RANKED, STAGES, CascadeStage, Climbed, Kind
from frontdef.threat import Norm, ThreatModel

STANDS, WRONG = -1, -2
"""In place of a stage: of a sample that no stage broke, and of one that is misclassified as it is."""

LOOKS = 4
"""How often an example is looked at again where the model draws."""

SMOOTHED = 0.25
"""Radius of the neighborhood whose gradients are averaged, divided by ε."""

Count = Callable[[], tuple[int, int]]
"""Forward and backward passes so far, counted in samples."""

DUALS: Mapping[Norm, float] = {"linf": 1, "l2": 2, "l1": torch.inf}
"""Order of the norm in which a gradient says how far away a boundary is."""


@dataclass(frozen=True)
class Spent:
    """What a stage did.

    Args:
        stage: Its name.
        tried: Samples that stood when it began.
        broke: Samples that it broke.
        forward: Forward passes, counted in samples.
        backward: Backward passes.
    """

    stage: str
    tried: int
    broke: int
    forward: int
    backward: int


@dataclass(frozen=True)
class CascadeOutcome:
    """What came of a cascade.

    Args:
        examples: float32 ``(N,C,H,W)`` in [0,1] and in the ball.
        broken_by: Of each sample the number of the stage that broke it, `STANDS` or `WRONG`, int64 ``(N,)``.
        spent: What each stage did, in order; the look at the images and their classes comes first.
    """

    examples: Tensor
    broken_by: Tensor
    spent: tuple[Spent, ...]


def cascade(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    stages: tuple[CascadeStage, ...] = STAGES,
    looks: int = 1,
    generator: Generator | None = None,
    count: Count | None = None,
) -> CascadeOutcome:
    """Run stage after stage on the samples that stand.

    The wrong classes are ranked by how far away each one's boundary is on the model's linearization, the gap of logits
    over the dual norm of its gradient, instead of by their logits (MALT, Melamed et al. 2024, arXiv:2407.02240). What a
    stage broke is looked at again: where the example does not hold, of a model that draws or by rounding, the sample
    stands again. The search by scores goes on from the example that the gradients ended at.

    Args:
        model: Logits ``(N,K)`` of images, K ≥ 2; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        stages: What is run, in order.
        looks: How often what a stage broke is looked at again, and must hold each time; several (`LOOKS`) where the
            model draws, because an attack that stops at its first success stops at a lucky draw.
        generator: Source of randomness, on the device of ``x``; None takes torch's global one.
        count: Forward and backward passes so far, of a model that counts its own; None counts the calls of the model.

    Returns:
        The examples, which stage broke which sample, and what each stage cost.
    """
    counted = _Counted(model)
    return _Cascade(counted, x, y, threat, looks, generator, count or counted.count).run(stages)


class _Counted(nn.Module):
    """A model that counts its passes, in samples."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forward_passes = self.backward_passes = 0

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the model."""
        logits: Tensor = self.model(x)
        self.forward_passes += len(x)
        if logits.requires_grad:
            logits.register_hook(lambda _: self._count_backward(len(x)))
        return logits

    def _count_backward(self, samples: int) -> None:
        self.backward_passes += samples

    def count(self) -> tuple[int, int]:
        return self.forward_passes, self.backward_passes


class _Averaged(nn.Module):
    """A model whose gradient is the mean over points around the image; its logits are those of the image.

    Args:
        model: Logits of images.
        draw: Points around images.
        neighbors: How many, the image among them.
    """

    def __init__(self, model: nn.Module, draw: Callable[[Tensor], Tensor], neighbors: int) -> None:
        super().__init__()
        self.model, self.draw, self.neighbors = model, draw, neighbors

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,K)`` of ``x``."""
        if not x.requires_grad:
            return self.model(x)  # type: ignore[no-any-return]
        around = [x + (self.draw(x.detach()) - x.detach()) for _ in range(self.neighbors - 1)]
        logits: Tensor = self.model(torch.cat([x, *around])).unflatten(0, (self.neighbors, len(x)))
        mean = logits.mean(0)
        return logits[0].detach() + (mean - mean.detach())


class _Cascade:
    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        threat: ThreatModel,
        looks: int,
        generator: Generator | None,
        count: Count,
    ) -> None:
        self.looks, self.count = looks, count
        self.model, self.x, self.y, self.threat, self.generator = model, x, y, threat, generator
        self.result = x.detach().clone()
        self.best, self.held = self.result.clone(), torch.full_like(y, -1)
        self.targets: Tensor | None = None

    def run(self, stages: tuple[CascadeStage, ...]) -> CascadeOutcome:
        before = self.count()
        with torch.no_grad():
            logits = self.model(self.x)
        left = (logits.argmax(dim=1) == self.y).nonzero().flatten()
        self.logits = logits
        broken_by = torch.full_like(self.y, WRONG)
        broken_by[left] = STANDS
        spent = [Spent("as it is", len(self.x), len(self.x) - len(left), *self._since(before))]
        for number, stage in enumerate(stages):
            before, tried = self.count(), len(left)
            if tried:
                left = self._holding(left, _KINDS[stage.kind](self, stage, left))
            fell = broken_by == STANDS
            fell[left] = False
            broken_by[fell] = number
            spent.append(Spent(stage.name, tried, tried - len(left), *self._since(before)))
        nearly = (broken_by == STANDS) & (self.held >= 0)
        self.result[nearly] = self.best[nearly]
        return CascadeOutcome(self.result, broken_by, tuple(spent))

    def _since(self, before: tuple[int, int]) -> tuple[int, int]:
        forward, backward = self.count()
        return forward - before[0], backward - before[1]

    def climb(self, stage: CascadeStage, left: Tensor) -> Tensor:
        """Auto-PGD on any wrong class; the samples that still stand."""
        runs = (ClimbRun(self._start(stage), self.y) for _ in range(stage.runs))
        return self._auto(stage, left, runs, stage.runs)

    def classes(self, stage: CascadeStage, left: Tensor) -> Tensor:
        """Auto-PGD once for each of some wrong classes, nearest first; the samples that still stand."""
        if self.targets is None:
            self.targets = self._nearest(left)
        targets = self.targets.unbind(1)[stage.skip : stage.skip + stage.runs]
        return self._auto(stage, left, (ClimbRun(self._start(stage), target) for target in targets), len(targets))

    def search(self, stage: CascadeStage, left: Tensor) -> Tensor:
        """Squares, by scores alone; the samples that still stand."""
        found = random_search(
            self.model, self.x, self.y,
            threat=self.threat, queries=stage.steps, left=left, start=self.result, generator=self.generator,
        )  # fmt: skip
        self.result[left] = found[left]
        return left[:0]  # what it broke is seen when it is looked at once more

    def _auto(self, stage: CascadeStage, left: Tensor, runs: Iterator[ClimbRun], count: int) -> Tensor:
        model = self.model if stage.neighbors == 1 else _Averaged(self.model, self._around, stage.neighbors)
        attack = AutoPgd(
            model, self.x, self.y, self.threat, stage.steps, _objective(stage.climbed, self.logits.shape[1])
        )
        return attack.climb(self.result, left, runs, count)

    def _start(self, stage: CascadeStage) -> Tensor:
        if not stage.random:
            return self.x
        return random_perturbation(self.x, self.threat.norm, self.threat.eps, self.generator)

    def _around(self, points: Tensor) -> Tensor:
        return random_perturbation(points, self.threat.norm, SMOOTHED * self.threat.eps, self.generator)

    def _holding(self, tried: Tensor, left: Tensor) -> Tensor:
        """Samples that stand once what fell was looked at again."""
        with torch.no_grad():
            for look in range(self.looks):
                fell = tried[~torch.isin(tried, left)]
                if not len(fell):
                    break
                stand = fell[self.model(self.result[fell]).argmax(dim=1) == self.y[fell]]
                self._remember(stand, look)
                left = torch.cat([left, stand]).sort().values
        return left

    def _remember(self, rows: Tensor, held: int) -> None:
        """Of samples that stand again, keep the example that held in most looks."""
        better = rows[held > self.held[rows]]
        self.best[better], self.held[better] = self.result[better], held

    def _nearest(self, left: Tensor) -> Tensor:
        """Wrong classes of each sample, nearest first, ``(N,M)``; of samples that are not left in any order."""
        wrong = self.logits.scatter(1, self.y[:, None], -torch.inf)
        count = min(RANKED, wrong.shape[1] - 1)
        likeliest: Tensor = wrong.topk(count, dim=1).indices
        y, candidates = self.y[left], likeliest[left]
        with torch.enable_grad():
            points = self.x[left].detach().requires_grad_()
            logits = self.model(points)
            gaps = [gap(logits, y, target) for target in candidates.unbind(1)]
            slopes = [torch.autograd.grad(each.sum(), points, retain_graph=True)[0].flatten(1) for each in gaps]
        sizes = torch.stack(
            [torch.linalg.vector_norm(slope.double(), DUALS[self.threat.norm], 1) for slope in slopes], 1
        )
        far = -torch.stack(gaps, dim=1).detach().double() / sizes.clamp_min(torch.finfo(torch.float64).tiny)
        likeliest[left] = candidates.gather(1, far.argsort(dim=1, stable=True))
        return likeliest


def _objective(climbed: Climbed, classes: int) -> Objective:
    """Of two classes the normalized losses are not defined; with one wrong class they would say the same."""
    return _OBJECTIVES[climbed if classes > 2 else _OF_TWO.get(climbed, climbed)]


def _untargeted(name: Climbed) -> Objective:
    loss = DIRECTIONS[name]  # type: ignore[index]
    return lambda logits, y, target: loss(logits, y)


_OF_TWO: Mapping[Climbed, Climbed] = {"dlr": "margin", "targeted-dlr": "gap"}

_OBJECTIVES: Mapping[Climbed, Objective] = {
    **{name: _untargeted(name) for name in DIRECTIONS},
    "gap": gap,
    "targeted-dlr": targeted_dlr,
}

_KINDS: Mapping[Kind, Callable[[_Cascade, CascadeStage, Tensor], Tensor]] = {
    "climb": _Cascade.climb,
    "classes": _Cascade.classes,
    "search": _Cascade.search,
}
