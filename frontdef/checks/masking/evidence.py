"""Evidence: the attacks that the checks look at, each run once, with what it cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.attacks.guard import isolated, note_model
from frontdef.attacks.native.losses import LOSSES
from frontdef.attacks.native.noise import noise
from frontdef.attacks.native.pgd import Mode, pgd
from frontdef.attacks.native.square import random_search
from frontdef.attacks.spec import Loss
from frontdef.checks.kit import Cost
from frontdef.checks.masking.budget import Budget
from frontdef.checks.masking.wrappers import Recorder, Rescaled
from frontdef.config import Config
from frontdef.errors import FrontdefError
from frontdef.frontend import Identity
from frontdef.memory import Batches, at_once, exhausted
from frontdef.protected import Passes, Protected
from frontdef.threat import ThreatModel

T = TypeVar("T")
STRIDE = 2.5
"""Step size times steps over ε: far enough to reach any point of the ball from any other (Madry et al. 2018)."""


@dataclass(frozen=True)
class AttackResult:
    """What an attack achieved.

    Args:
        x_adv: Examples ``(N,C,H,W)``; the images where there was no gradient to follow.
        broken: Which are misclassified by a fresh look, bool ``(N,)``.
        error: Why there was no gradient; empty where there was one.
    """

    x_adv: Tensor
    broken: Tensor
    error: str


@dataclass(frozen=True)
class Climb(AttackResult):
    """An attack with the way that it took.

    Args:
        losses: Cross-entropy in float64 nats at the start and after each step, ``(T+1,N)``.
        wrong: Which iterates the attack saw misclassified, bool ``(T+1,N)``.
        usable: Whether each step had a finite gradient that is not zero, bool ``(T,N)``; T = 0 where there is none.
    """

    losses: Tensor
    wrong: Tensor
    usable: Tensor


class Evidence:
    """A defended model, the samples it is judged on, and every attack that was run on them.

    Args:
        model: The defended model.
        x: Images, float32 ``(N,C,H,W)`` in [0,1], on its device.
        y: Labels, int64 ``(N,)``, likewise.
        threat: ``linf``, ``l2`` or ``l1``, and the radius.
        budget: What the attacks may spend.
        seed: Of every draw; each attack derives its own, so that no check depends on which ran before.
    """

    def __init__(
        self, model: Protected, x: Tensor, y: Tensor, threat: ThreatModel, budget: Budget, seed: int = 0
    ) -> None:
        self.model, self.x, self.y = model, x, y
        self.threat, self.budget, self.seed = threat, budget, seed
        self.randomized = model.front_end.randomized
        self.attacked = model.eot(budget.eot) if self.randomized else model
        self.selected = str(model.front_end.surrogate)
        self.total = Cost()
        self._results: dict[str, Any] = {}
        self._costs: dict[str, Cost] = {}
        self._used: set[str] = set()

    def restrict(self, rows: Tensor) -> Evidence:
        """The same model on some of the samples; bool ``(N,)``."""
        return Evidence(self.model, self.x[rows], self.y[rows], self.threat, self.budget, self.seed)

    @contextmanager
    def accounting(self) -> Iterator[Callable[[], Cost]]:
        """Count the passes of all that is asked for inside, whether it had been run before or not."""
        self._used = set()

        def spent() -> Cost:
            return sum((self._costs[key] for key in self._used), Cost())

        yield spent

    def once(self, key: str, run: Callable[[], T]) -> T:
        """Run something once, under seeds of its own, and remember what it gave and cost.

        Args:
            key: Its name.
            run: Does it; passes through the model are counted.
        """
        if key not in self._results:
            passes = self.model.passes
            before = Passes(passes.forward, passes.backward)
            with isolated(self.model, (self.seed + crc32(key.encode())) % 2**31):
                self._results[key] = run()
            cost = Cost(
                (passes.forward - before.forward) / len(self.x), (passes.backward - before.backward) / len(self.x)
            )
            self._costs[key] = cost
            self.total += cost
        self._used.add(key)
        return cast(T, self._results[key])

    def attempts(self) -> dict[str, Tensor]:
        """The examples ``(N,C,H,W)`` of each attack that was run, where any of them is within the threat model."""
        results = {key: result for key, result in self._results.items() if isinstance(result, AttackResult)}
        return {
            key: result.x_adv
            for key, result in results.items()
            if bool(self.threat.contains(self.x, result.x_adv).any())
        }

    def broken_inside(self) -> dict[str, Tensor]:
        """Which samples each attack that was run broke within the threat model; bool ``(N,)``."""
        results = {key: result for key, result in self._results.items() if isinstance(result, AttackResult)}
        return {key: result.broken & self.threat.contains(self.x, result.x_adv) for key, result in results.items()}

    @property
    def clean(self) -> Tensor:
        """Logits ``(N,K)`` of the images, by a fresh look."""
        return self.once("clean", lambda: self.look(self.x))

    @property
    def white_box(self) -> Climb:
        """The attack under suspicion: PGD on the cross-entropy, from the image, as all libraries have it."""
        return self.once("white box", self._climb)

    def by_surrogate(self) -> dict[str, AttackResult]:
        """PGD through the selected gradient and every other informative one; empty where no other is offered."""
        front_end = self.model.front_end
        others = [
            str(surrogate)
            for surrogate in front_end.surrogates
            if surrogate.informative and str(surrogate) != self.selected
        ]
        if not others:
            return {}
        return {name: self.pgd(f"surrogate {name}", surrogate=name) for name in (self.selected, *others)}

    @property
    def strongest(self) -> str:
        """The gradient whose attack breaks most; the selected one where none breaks more."""
        attacks = self.by_surrogate()
        return max(attacks, key=lambda name: int(attacks[name].broken.sum()), default=self.selected)

    @property
    def survivors(self) -> Tensor:
        """Which samples the white-box attack did not break; bool ``(N,)``."""
        return ~self.white_box.broken

    def look(self, x: Tensor, model: nn.Module | None = None) -> Tensor:
        """Logits without gradients; of a randomized front end the log of the mean probability over fresh draws."""
        judge = model or self.model
        if model is None and self.randomized:
            judge = self.model.eot(self.budget.judge, average="probabilities")
            self.model.front_end.reseed(self.seed + 1)
        with torch.no_grad():
            draws = self.budget.judge if self.randomized else 1
            return torch.cat([judge(part) for part in torch.split(x, at_once((draws, *x.shape[1:])))])

    def broken(self, x_adv: Tensor) -> Tensor:
        """Which examples are misclassified by a fresh look; those that are not finite count as failures."""
        finite = x_adv.flatten(1).isfinite().all(dim=1)
        seen = self.look(torch.where(finite.view(-1, 1, 1, 1), x_adv, self.x))
        return finite & (seen.argmax(dim=1) != self.y)

    def pgd(
        self,
        key: str,
        *,
        steps: int | None = None,
        loss: Loss = "cross-entropy",
        restarts: int = 1,
        threat: ThreatModel | None = None,
        model: nn.Module | None = None,
        surrogate: str | None = None,
    ) -> AttackResult:
        """A variation of the white-box attack that drops samples as soon as they fall, unless draws decide.

        Args:
            key: What it is called.
            steps: Steps; None takes the budget's. A single step is as long as ε.
            loss: What is maximized.
            restarts: Random starts; 1 starts at the image.
            threat: Another ball.
            model: Another model to climb; success is judged on the defended one all the same.
            surrogate: Another gradient of the front end.
        """

        def run() -> AttackResult:
            if surrogate is None:
                return self._pgd(model or self.attacked, threat or self.threat, steps, loss, restarts)
            with self.model.surrogate(surrogate):
                return self._pgd(self.attacked, self.threat, steps, loss, restarts)

        return self.once(key, run)

    def _pgd(self, model: nn.Module, threat: ThreatModel, steps: int | None, loss: Loss, restarts: int) -> AttackResult:
        steps = steps or self.budget.steps
        try:
            mode: Mode = "matched" if self.randomized else "fast"
            examples = self._in_parts(lambda x, y: _attack(model, x, y, threat, steps, loss, restarts, mode))
        except (RuntimeError, FrontdefError) as error:
            return AttackResult(self.x.clone(), torch.zeros_like(self.y, dtype=torch.bool), _no_gradient(error))
        x_adv = torch.cat(examples)
        return AttackResult(x_adv, self.broken(x_adv), "")

    def noise(self) -> AttackResult:
        """Uniform random noise."""

        def run() -> AttackResult:
            x_adv = torch.cat(
                self._in_parts(lambda x, y: noise(self.attacked, x, y, threat=self.threat, draws=self.budget.noise))
            )
            return AttackResult(x_adv, self.broken(x_adv), "")

        return self.once("noise", run)

    def search(self) -> AttackResult:
        """Random search in squares, by scores alone."""

        def run() -> AttackResult:
            x_adv = torch.cat(
                self._in_parts(
                    lambda x, y: random_search(self.attacked, x, y, threat=self.threat, queries=self.budget.queries)
                )
            )
            return AttackResult(x_adv, self.broken(x_adv), "")

        return self.once("random search", run)

    def bare(self) -> Protected | None:
        """The classifier without its front end, where it has one and reads images of the same shape."""
        front_end = self.model.front_end
        if isinstance(front_end, Identity):
            return None
        with torch.no_grad():
            if front_end(self.x[:1]).shape != self.x[:1].shape:
                return None
        view = Protected(Identity(Config()), self.model.classifier, image_shape=self.model.image_shape)
        view.passes = self.model.passes
        return view

    def rescaled(self) -> Rescaled:
        """The model with logits divided by the median gap between its two largest, which no softmax saturates."""
        top = self.clean.topk(2, dim=1).values
        gap = float((top[:, 0] - top[:, 1]).median())
        return Rescaled(self.attacked, gap if gap > 0 and math.isfinite(gap) else 1.0)

    def gradient(self, loss: Loss) -> Tensor | str:
        """Gradient of a loss at the images, ``(N,C,H,W)``, or why there is none."""

        def run() -> Tensor | str:
            try:
                return torch.cat(self._in_parts(lambda x, y: self._gradient(x, y, loss)))
            except RuntimeError as error:
                return _no_gradient(error)

        return self.once(f"gradient of {loss}", run)

    def _gradient(self, x: Tensor, y: Tensor, loss: Loss) -> Tensor:
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            return torch.autograd.grad(LOSSES[loss](self.attacked(x), y).sum(), x)[0]

    def _in_parts(self, work: Callable[[Tensor, Tensor], T]) -> list[T]:
        """Do some work on images and labels, as many at once as memory allows."""
        batches = Batches(at_once((self.attacked.draws, *self.x.shape[1:])))
        parts = batches.over(
            len(self.x), lambda rows: work(self.x[rows], self.y[rows]), note=lambda: note_model(self.model)
        )
        return [result for _, result in parts]

    def _climb(self) -> Climb:
        def climb(x: Tensor, y: Tensor) -> tuple[Tensor, Recorder, str]:
            recorder, error = Recorder(self.attacked, y), ""
            try:
                last = _attack(recorder, x, y, self.threat, self.budget.steps, "cross-entropy", 1, "matched")
            except RuntimeError as problem:
                error, last = _no_gradient(problem), x
                recorder = Recorder(self.attacked, y)
            with torch.no_grad():
                recorder(last)
            # An iterate that fooled the draws of one step is lucky; only the last one is meant to fool them all.
            return last if self.randomized else recorder.best, recorder, error

        examples, recorders, errors = zip(*self._in_parts(climb), strict=True)
        logits = torch.cat([torch.stack(recorder.logits) for recorder in recorders], dim=1)
        usable = torch.cat([recorder.steps() for recorder in recorders], dim=1)
        labels = self.y.expand(len(logits), -1)
        losses = F.cross_entropy(logits.double().flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
        x_adv = torch.cat(examples)
        return Climb(x_adv, self.broken(x_adv), errors[-1], losses, logits.argmax(dim=2) != labels, usable)


def _attack(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    threat: ThreatModel,
    steps: int,
    loss: Loss,
    restarts: int,
    mode: Mode,
) -> Tensor:
    step_size = threat.eps * min(1.0, STRIDE / steps)
    return pgd(
        model, x, y,
        threat=threat, steps=steps, step_size=step_size, random_start=restarts > 1, restarts=restarts,
        loss=loss, mode=mode,
    )  # fmt: skip


def _no_gradient(error: Exception) -> str:
    """What autograd says of a graph that is cut, or a front end of a surrogate that its configuration forbids.

    The model itself had run before without an error.
    """
    if exhausted(error):
        raise error
    return str(error).splitlines()[0]
