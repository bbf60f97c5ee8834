"""Evidence: the attacks that the checks look at, each run once, with what it cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar, cast
from zlib import crc32

import torch
from torch import Tensor, nn

from frontdef.attacks.guard import isolated, note_model
from frontdef.attacks.native.losses import LOSSES
from frontdef.attacks.native.noise import noise
from frontdef.attacks.native.pgd import Mode, pgd
from frontdef.attacks.native.square import random_search
from frontdef.attacks.spec import Loss
from frontdef.checks.kit import Cost
from frontdef.checks.masking.attempts import Attempt, Effort
from frontdef.checks.masking.budget import Budget
from frontdef.checks.masking.climb import AttackResult, Climb
from frontdef.checks.masking.looks import DiagnosisLooks
from frontdef.checks.masking.statistics import MARGIN
from frontdef.checks.masking.targets import pgd_at_each
from frontdef.checks.masking.wrappers import Answering, RaisesError, Recorder, Rescaled
from frontdef.frontend import Identity
from frontdef.memory import Batches, at_once, exhausted
from frontdef.protected import Passes, Protected
from frontdef.threat import ThreatModel

T = TypeVar("T")
STRIDE = 2.5
"""Step size times steps over ε: far enough to reach any point of the ball from any other (Madry et al. 2018)."""


class Evidence:
    """A defended model, the samples it is judged on, and every attack that was run on them.

    Args:
        model: The defended model.
        x: Images, float32 ``(N,C,H,W)`` in [0,1], on its device.
        y: Labels, int64 ``(N,)``, likewise.
        threat: ``linf``, ``l2`` or ``l1``, and the radius.
        budget: What the attacks may spend.
        seed: Of every draw; each attack derives its own, so that no check depends on which ran before.
        pristine: A copy of the model that was never asked anything; None where none could be made.
        looks: The sizes at which the diagnosis may stop; a single one if absent.
        whole: The evidence of whose samples these are some, and which, bool ``(M,)``: what is asked of them was asked
            of it, too.
    """

    def __init__(
        self,
        model: Protected,
        x: Tensor,
        y: Tensor,
        threat: ThreatModel,
        budget: Budget,
        seed: int = 0,
        pristine: Protected | None = None,
        looks: DiagnosisLooks | None = None,
        whole: tuple[Evidence, Tensor] | None = None,
    ) -> None:
        self.model, self.x, self.y = model, x, y
        self.threat, self.budget, self.seed, self.pristine = threat, budget, seed, pristine
        self.randomized = model.front_end.randomized
        self.attacked = model.eot(budget.eot, average="probabilities") if self.randomized else model
        self.selected = str(model.front_end.surrogate)
        self.looks = looks or DiagnosisLooks((len(x),))
        self.taken = 1
        self.blocks = [self]
        self.total = Cost()
        self._whole = whole
        self._parts: list[tuple[Tensor, Evidence]] = []
        self._results: dict[str, Any] = {}
        self._costs: dict[tuple[int, str], Cost] = {}
        self._used: dict[tuple[int, str], None] = {}  # in order, so that sums are the same to the bit
        self._strongest = ""

    def restrict(self, rows: Tensor) -> Evidence:
        """The same model on some of the samples; bool ``(N,)``."""
        return self.on(self.x[rows], self.y[rows])

    def on(self, x: Tensor, y: Tensor) -> Evidence:
        """The same model, the same gradient under suspicion, on other samples."""
        other = Evidence(self.model, x, y, self.threat, self.budget, self.seed, self.pristine, self.looks)
        other.selected = self.selected
        return other

    def extend(self, block: Evidence | None) -> None:
        """Go on to the next look.

        Args:
            block: The samples that it adds; None where none of them is correct and not proved.
        """
        self.taken += 1
        if block is not None:
            block._strongest = self.strongest
            self.blocks.append(block)

    @property
    def level(self) -> float:
        """The level of the look that is being taken."""
        return self.looks.levels[self.taken - 1]

    @contextmanager
    def accounting(self) -> Iterator[Callable[[], Cost]]:
        """Count the passes of all that is asked for inside, whether it had been run before or not."""
        self._used = {}

        def spent() -> Cost:
            return sum((self._costs[what] for what in self._used), Cost())

        yield spent

    def part(self, rows: Tensor) -> Evidence:
        """Some of the samples, bool ``(N,)``: what is asked of them counts as asked of these, at its cost."""
        known = next((part for taken, part in self._parts if torch.equal(taken, rows)), None)
        if known is None:
            known = Evidence(
                self.model, self.x[rows], self.y[rows], self.threat, self.budget, self.seed, self.pristine, self.looks,
                (self, rows),
            )  # fmt: skip
            known.selected = self.selected
            self._parts.append((rows, known))
        return known

    @property
    def left(self) -> Evidence:
        """The samples that the white-box attack left."""
        return self.part(self.survivors)

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
            self._spent((id(self), key), passes.forward - before.forward, passes.backward - before.backward)
        self._use((id(self), key))
        return cast(T, self._results[key])

    def _spent(self, what: tuple[int, str], forward: int, backward: int) -> None:
        self._costs[what] = Cost(forward / len(self.x), backward / len(self.x))
        self.total += self._costs[what]
        if self._whole:
            self._whole[0]._spent(what, forward, backward)

    def _use(self, what: tuple[int, str]) -> None:
        self._used[what] = None
        if self._whole:
            self._whole[0]._use(what)

    def results(self) -> Iterator[tuple[str, Tensor, AttackResult]]:
        """Each attack that was run and could be: its name, the numbers of its samples ``(M,)``, what came of it."""
        for key, result in self._results.items():
            if isinstance(result, AttackResult) and not result.error:
                yield key, torch.arange(len(self.x), device=self.x.device), result
        for rows, part in self._parts:
            numbers = rows.nonzero().flatten()
            yield from ((key, numbers[some], result) for key, some, result in part.results())

    def broken_inside(self) -> dict[str, Tensor]:
        """Which samples each attack that was run broke within the threat model; bool ``(N,)``."""
        inside: dict[str, Tensor] = {}
        for key, numbers, result in self.results():
            broken = inside.setdefault(key, torch.zeros_like(self.y, dtype=torch.bool))
            broken[numbers] |= result.broken & self.threat.contains(self.x[numbers], result.x_adv)
        return inside

    def examples(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Name, numbers ``(M,)`` and examples ``(M,C,H,W)`` of each attack of which any is within the threat model."""
        for key, numbers, result in self.results():
            if bool(self.threat.contains(self.x[numbers], result.x_adv).any()):
                yield key, numbers, result.x_adv

    def attempts(self) -> list[Attempt]:
        """The same attacks, and how hard each tried."""
        inside = {key for key, _, _ in self.examples()}
        return [
            Attempt(key, **vars(result.effort), n=len(numbers), broken=int(result.broken.sum()))
            for key, numbers, result in self.results()
            if key in inside
        ]

    @property
    def clean(self) -> Tensor:
        """Logits ``(N,K)`` of the images, by a fresh look."""
        if self._whole:
            return self._whole[0].clean[self._whole[1]]
        return self.once("clean", lambda: self.look(self.x))

    @property
    def single(self) -> Tensor:
        """Logits ``(N,K)`` of the images; of a randomized front end by one draw each."""
        return self.once("single draws", lambda: self.look(self.x, self.model))

    @property
    def mode(self) -> Mode:
        """How PGD is run: samples are dropped as soon as they fall, unless draws decide."""
        return "matched" if self.randomized else "fast"

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Every loss that this number of classes allows."""
        return ("cross-entropy", "margin", "dlr") if self.clean.shape[1] > 2 else ("cross-entropy", "margin")

    @property
    def white_box(self) -> Climb:
        """The attack under suspicion: PGD on the cross-entropy, from the image, as all libraries have it."""
        return self.through(self.strongest)

    def through(self, surrogate: str) -> Climb:
        """The white-box attack through one of the gradients that the front end offers."""
        key = "white box" if surrogate == self.selected else f"white box through {surrogate}"

        def climb() -> Climb:
            with self.model.surrogate(surrogate):
                return self._climb("cross-entropy")

        return self.once(key, climb)

    def other_climbs(self, rows: Tensor) -> list[Climb]:
        """The white-box attack on each other loss, on some of the samples; bool ``(N,)``."""

        def run() -> list[Climb]:
            some = self.restrict(rows)
            return [some._climb(loss) for loss in self.losses if loss != "cross-entropy"]

        key = crc32(bytes(rows.cpu().tolist()))
        return self.once(f"climbs of {key}", run)

    @property
    def others(self) -> tuple[str, ...]:
        """The other gradients of the front end that say something."""
        offered = self.model.front_end.surrogates
        return tuple(str(each) for each in offered if each.informative and str(each) != self.selected)

    @property
    def strongest(self) -> str:
        """The gradient whose attack breaks most of the first samples; the selected one where none breaks more.

        Each other one is tried with a quarter of the steps on what the selected one leaves, and the best of them on all
        samples, where it breaks `MARGIN` of them beyond.
        """
        if not self._strongest:
            self._strongest, own = self.selected, self.through(self.selected).broken
            rival = self._best_other(~own)
            if rival and int(self.through(rival).broken.sum()) > int(own.sum()):
                self._strongest = rival
        return self._strongest

    def _best_other(self, rows: Tensor) -> str:
        """Which other gradient breaks most of some samples, bool ``(N,)``; empty where it is not `MARGIN` of all."""
        if not self.others or not bool(rows.any()):
            return ""
        some, steps = self.part(rows), self.budget.steps // 4
        broken = {
            name: int(some.pgd(f"surrogate {name}", surrogate=name, steps=steps).broken.sum()) for name in self.others
        }
        best = max(broken, key=lambda name: broken[name])
        return best if broken[best] >= MARGIN * len(rows) else ""

    @property
    def survivors(self) -> Tensor:
        """Which samples the white-box attack did not break; bool ``(N,)``."""
        return ~self.white_box.broken

    def look(self, x: Tensor, model: nn.Module | None = None) -> Tensor:
        """Logits without gradients; of a randomized front end the log of the mean probability over fresh draws.

        Raises:
            RaisesError: The model raised an error.
        """
        judge = model or self.model
        if model is None and self.randomized:
            judge = self.model.eot(self.budget.judge, average="probabilities")
            self.model.front_end.reseed(self.seed + 1)
        asked = Answering(judge)
        with torch.no_grad():
            draws = self.budget.judge if self.randomized else 1
            return torch.cat([asked(part) for part in torch.split(x, at_once((draws, *x.shape[1:])))])

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
        losses: Sequence[Loss] = ("cross-entropy",),
        restarts: int = 1,
        threat: ThreatModel | None = None,
        model: nn.Module | None = None,
        surrogate: str | None = None,
    ) -> AttackResult:
        """A variation of the white-box attack that drops samples as soon as they fall, unless draws decide.

        Args:
            key: What it is called.
            steps: Steps; None takes the budget's. A single step is as long as ε.
            losses: What is maximized, one after the other on the samples that the earlier ones leave.
            restarts: Random starts; 1 starts at the image.
            threat: Another ball.
            model: Another model to climb; success is judged on the defended one all the same.
            surrogate: Another gradient of the front end.
        """
        effort = Effort(surrogate or str(self.model.front_end.surrogate), steps or self.budget.steps, restarts)

        def attack(x: Tensor, y: Tensor, loss: Loss) -> Tensor:
            return _attack(
                model or Answering(self.attacked), x, y, threat or self.threat, effort.steps, loss, restarts, self.mode
            )

        def run() -> AttackResult:
            with self.model.surrogate(surrogate) if surrogate else nullcontext():
                return self.tried(effort, *(partial(attack, loss=loss) for loss in losses))

        return self.once(key, run)

    def tried(self, effort: Effort, *attacks: Callable[[Tensor, Tensor], Tensor]) -> AttackResult:
        """What some attacks achieve one after the other, each on the samples that the earlier ones leave.

        Args:
            effort: How hard they try.
            attacks: Images and labels → examples. One that raises did not run; that is no failure to break anything.
        """
        x_adv, fell, error = self.x.clone(), torch.zeros_like(self.y, dtype=torch.bool), ""
        ran = False
        for attack in attacks:
            left = self.restrict(~fell) if ran else self
            try:
                examples = torch.cat(left._in_parts(attack))
            except Exception as problem:
                error = error or _why(problem)
                continue
            rows = (~fell).nonzero().flatten()
            x_adv[rows] = examples
            fell[rows] = left.broken(examples)
            ran = True
            if bool(fell.all()):
                break
        return AttackResult(x_adv, fell, "" if ran else error, effort)

    def noise(self) -> AttackResult:
        """Uniform random noise."""
        draws = self.budget.noise

        def attack(x: Tensor, y: Tensor) -> Tensor:
            return noise(Answering(self.attacked), x, y, threat=self.threat, draws=draws)

        return self.once("noise", lambda: self.tried(Effort(restarts=draws), attack))

    def on_loss(self, loss: Loss) -> AttackResult:
        """The white-box attack on another loss."""
        return self.pgd({"margin": "margin loss", "dlr": "DLR loss"}[loss], losses=(loss,))

    @property
    def best_loss(self) -> Tensor:
        """What the white-box attack breaks on the loss on which it breaks most, bool ``(N,)``."""
        others = [loss for loss in self.losses if loss != "cross-entropy"]
        each = (self.white_box.broken, *(self.everywhere(partial(Evidence.on_loss, loss=loss)) for loss in others))
        return max(each, key=lambda broken: int(broken.sum()))

    def everywhere(self, attack: Callable[[Evidence], AttackResult]) -> Tensor:
        """What an attack breaks, bool ``(N,)``: of the samples that the white-box attack left, and of the others."""
        broken = torch.zeros_like(self.y, dtype=torch.bool)
        for rows in (self.survivors, ~self.survivors):
            if bool(rows.any()):
                broken[rows] = attack(self.part(rows)).broken
        return broken

    @property
    def targets(self) -> int:
        """Wrong classes that are aimed at."""
        return min(self.budget.targets, self.clean.shape[1] - 1)

    def targeted(self) -> AttackResult:
        """PGD at each of the nearest wrong classes."""
        classes = self.targets
        effort = Effort(str(self.model.front_end.surrogate), self.budget.steps, classes)

        def attack(x: Tensor, y: Tensor) -> Tensor:
            return pgd_at_each(
                Answering(self.attacked), x, y,
                threat=self.threat, steps=effort.steps, step_size=_step(self.threat, effort.steps), targets=classes,
                mode=self.mode,
            )  # fmt: skip

        return self.once("targets", lambda: self.tried(effort, attack))

    def search(self) -> AttackResult:
        """Random search in squares, by scores alone."""
        queries = self.budget.queries

        def attack(x: Tensor, y: Tensor) -> Tensor:
            return random_search(Answering(self.attacked), x, y, threat=self.threat, queries=queries)

        return self.once("random search", lambda: self.tried(Effort(restarts=queries), attack))

    def bare(self) -> Protected | None:
        """The classifier without its front end, where it has one and reads images of the same shape."""
        front_end = self.model.front_end
        if isinstance(front_end, Identity):
            return None
        with torch.no_grad():
            if front_end(self.x[:1]).shape != self.x[:1].shape:
                return None
        return self.model.without()

    def rescaled(self) -> tuple[nn.Module, float]:
        """The model with logits divided by the median gap between its two largest, which no softmax saturates; the gap.

        Of a randomized front end the logits of each draw are divided, before they are averaged.
        """
        top = self.single.topk(2, dim=1).values
        gap = float((top[:, 0] - top[:, 1]).median())
        scale = gap if gap > 0 and math.isfinite(gap) else 1.0
        view = Protected(
            self.model.front_end, Rescaled(self.model.classifier, scale), image_shape=self.model.image_shape
        )
        view.draws, view.average, view.passes = self.attacked.draws, self.attacked.average, self.model.passes
        return Answering(view), scale

    def gradient(self, loss: Loss) -> Tensor | str:
        """Gradient of a loss at the images, ``(N,C,H,W)``, or why there is none."""

        def run() -> Tensor | str:
            try:
                return torch.cat(self._in_parts(lambda x, y: self._gradient(x, y, loss)))
            except Exception as error:
                return _why(error)

        return self.once(f"gradient of {loss}", run)

    def _gradient(self, x: Tensor, y: Tensor, loss: Loss) -> Tensor:
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            return torch.autograd.grad(LOSSES[loss](Answering(self.attacked)(x), y).sum(), x)[0]

    def _in_parts(self, work: Callable[[Tensor, Tensor], T]) -> list[T]:
        """Do some work on images and labels, as many at once as memory allows."""
        batches = Batches(at_once((self.attacked.draws, *self.x.shape[1:])))
        parts = batches.over(
            len(self.x), lambda rows: work(self.x[rows], self.y[rows]), note=lambda: note_model(self.model)
        )
        return [result for _, result in parts]

    def _climb(self, loss: Loss) -> Climb:
        def climb(x: Tensor, y: Tensor) -> tuple[Tensor, Recorder, str]:
            recorder, error = Recorder(Answering(self.attacked), y), ""
            try:
                last = _attack(recorder, x, y, self.threat, self.budget.steps, loss, 1, "matched")
            except Exception as problem:
                error, last = _why(problem), x
                recorder = Recorder(Answering(self.attacked), y)
            with torch.no_grad():
                recorder(last)
            # An iterate that fooled the draws of one step is lucky; only the last one is meant to fool them all.
            return last if self.randomized else recorder.best, recorder, error

        examples, recorders, errors = zip(*self._in_parts(climb), strict=True)
        logits = torch.cat([torch.stack(recorder.logits) for recorder in recorders], dim=1)
        usable = torch.cat([recorder.steps() for recorder in recorders], dim=1)
        x_adv = torch.cat(examples)
        effort = Effort(str(self.model.front_end.surrogate), self.budget.steps, 1)
        return Climb(x_adv, self.broken(x_adv), errors[-1], effort, logits, self.y, usable)


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
    return pgd(
        model, x, y,
        threat=threat, steps=steps, step_size=_step(threat, steps), random_start=restarts > 1, restarts=restarts,
        loss=loss, mode=mode,
    )  # fmt: skip


def _step(threat: ThreatModel, steps: int) -> float:
    return threat.eps * min(1.0, STRIDE / steps)


def _why(error: Exception) -> str:
    """Why an attack could not run: a graph that is cut, or a surrogate that the front end's configuration forbids.

    Raises:
        Exception: The same, where it is the model that raised on valid images, or where memory ran out.
    """
    if exhausted(error) or isinstance(error, RaisesError):
        raise error
    return next(iter(str(error).splitlines()), "") or type(error).__name__
