"""One row of a library's table under test: its runs, each made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from frontdef.attacks.goal import goal
from frontdef.attacks.guard import attacked, isolated
from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.spec import AttackSpec, Family, make_spec
from frontdef.checks.invariants.budget import ALONE, EFFORT, EPS, PARAMETERS, SAMPLES, UNBOUNDED
from frontdef.checks.invariants.tasks import Model, Task, trained
from frontdef.errors import ConfigError
from frontdef.threat import Norm, ThreatModel, distance


@dataclass(frozen=True)
class TrialRun:
    """What came of one attack.

    Args:
        examples: What the library returned.
        faults: What it changed and should not have.
        charged: Forward passes that frontdef counted.
        observed: Rows that the classifier read.
        trained: Whether it ever read any in training mode.
    """

    examples: Tensor
    faults: tuple[str, ...]
    charged: int
    observed: int
    trained: bool


@dataclass(frozen=True)
class Alone:
    """An image that was attacked by itself.

    Args:
        success: Whether its example counts.
        seen: Whether any query inside the ball counted.
        moved: Distance of its example in the norm.
    """

    success: bool
    seen: bool
    moved: float


class Trial:
    """A row under test.

    Args:
        library: The library.
        family: The family.
        norm: The norm.
        task: What it is attacked on; None takes the small trained model.
        eps: The radius; None takes the one that suits that model.
        asked: Parameters beside those that the family is examined with.
    """

    def __init__(
        self,
        library: AttackLibrary,
        family: Family,
        norm: Norm,
        task: Task | None = None,
        eps: float | None = None,
        asked: Mapping[str, Any] | None = None,
    ) -> None:
        self.library, self.family, self.norm = library, family, norm
        self.eps = EPS[norm] if eps is None else eps
        self.task = task or trained(SAMPLES)
        offered = library.offers(family.name, norm)
        refused = (offered and offered.unsupported) or {}
        preset = PARAMETERS.get(family.name, {})
        self.asked = dict(asked or {})
        self.parameters = {name: refused.get(name, value) for name, value in preset.items()} | self.asked

    def variant(self, *, task: Task | None = None, eps: float | None = None, **parameters: Any) -> Trial | None:
        """The same row with other parameters; None where the family lacks them or the library can't express them.

        Args:
            task: What it is attacked on; None keeps that.
            eps: The radius; None keeps that.
            parameters: What changes.
        """
        if not parameters.keys() <= self.family.parameters.model_fields.keys():
            return None
        asked = {**self.asked, **parameters}
        twin = Trial(self.library, self.family, self.norm, task or self.task, self.eps if eps is None else eps, asked)
        row = self.library.offers(self.family.name, self.norm)
        try:
            return twin if row is not None and not row.refusal(twin.spec()) else None
        except ConfigError:
            return None

    @property
    def effort(self) -> str | None:
        """The parameter of which more must not help the defender."""
        return next((name for name in EFFORT if name in self.family.parameters.model_fields), None)

    @property
    def bounded(self) -> bool:
        """Whether the attack is given a radius."""
        return not self.family.minimum_norm and self.norm != "spatial"

    @property
    def targeted(self) -> bool:
        """Whether one class counts."""
        return self.spec().targeted

    def spec(self, eps: float | None = None, seed: int = 0, **parameters: Any) -> AttackSpec:
        """The attack; a minimum-norm one is not bounded, whatever the radius."""
        radius = UNBOUNDED[self.norm] if self.family.minimum_norm else (eps or self.eps)
        return make_spec(self.family, self.norm, radius, {**self.parameters, **parameters}, seed)

    def goal(self, task: Task) -> Tensor:
        """The labels that the library is given."""
        return goal(self.spec(), task.model, task.x, task.y)

    def run(
        self,
        model: Model,
        x: Tensor,
        labels: Tensor,
        *,
        eps: float | None = None,
        seed: int = 0,
        **parameters: Any,
    ) -> TrialRun:
        """Attack."""
        spec = self.spec(eps, seed, **parameters)
        charged, observed = model.passes.forward, model.observed.rows
        model.observed.trained = False
        with isolated(model, seed) as conduct:
            examples = attacked(self.library, spec, model, x, labels, conduct)
        faults = tuple(conduct.faults)
        rows = model.observed.rows - observed
        return TrialRun(examples, faults, model.passes.forward - charged, rows, model.observed.trained)

    def fooled(self, predicted: Tensor, y: Tensor, labels: Tensor) -> Tensor:
        """Which predictions count: wrong ones, or for a targeted attack those that it was asked for; bool ``(N,)``."""
        return predicted == labels if self.targeted else predicted != y

    def successes(self, task: Task, examples: Tensor, labels: Tensor, eps: float | None = None) -> Tensor:
        """Which examples count: misclassified, or as the target says, inside the ball and the box; bool ``(N,)``."""
        predicted = task.model.predict(examples.nan_to_num().clamp(0, 1)).argmax(1)
        fooled = self.fooled(predicted, task.y, labels)
        return fooled & ThreatModel(self.norm, eps or self.eps).contains(task.x, examples)

    def outcome(self, model: Model, *, order: Tensor | None = None, **parameters: Any) -> Tensor:
        """Which samples of the trained task fall under the same attack on an equal model.

        Args:
            model: Equal to the trained one up to the order of its classes.
            order: ``order[k]`` is the class of the trained model that is this one's class k.
            parameters: What `run` takes.
        """
        labels, y = self.labels, self.task.y
        if order is not None:
            position = order.argsort()
            labels, y = position[labels], position[y]
        run = self.run(model, self.task.x, labels, **parameters)
        return self.successes(replace(self.task, model=model, y=y), run.examples, labels)

    @cached_property
    def labels(self) -> Tensor:
        """What the library is given on the trained task."""
        return self.goal(self.task)

    @cached_property
    def first(self) -> TrialRun:
        """The attack on the trained model."""
        return self.run(self.task.model, self.task.x, self.labels)

    @cached_property
    def fell(self) -> Tensor:
        """Which samples fell."""
        return self.successes(self.task, self.first.examples, self.labels)

    @cached_property
    def draws(self) -> bool:
        """Whether two runs with different seeds may differ."""
        return not self.family.deterministic or bool(getattr(self.spec().parameters, "random_start", False))

    @cached_property
    def one_step(self) -> Tensor:
        """Which samples fall to a single step of the gradient, the whole radius long."""
        from frontdef.attacks.native.pgd import pgd

        threat, model = ThreatModel(self.norm, self.eps), self.task.model
        examples = pgd(
            model, self.task.x, self.labels, threat=threat, steps=1, step_size=self.eps, targeted=self.targeted
        )
        return self.successes(self.task, examples, self.labels)

    @cached_property
    def chance(self) -> int:
        """Samples whose outcome another seed changes: the most of three, at least one; none where nothing is drawn."""
        if not self.draws:
            return 0
        reruns = (self.run(self.task.model, self.task.x, self.labels, seed=seed).examples for seed in (1, 2, 3))
        changes = [int((self.successes(self.task, rerun, self.labels) != self.fell).sum()) for rerun in reruns]
        return max(1, *changes)

    @cached_property
    def alone(self) -> tuple[Alone, ...]:
        """The first images, attacked one by one under observation."""
        return tuple(self._alone(number) for number in range(ALONE))

    def _alone(self, number: int) -> Alone:
        here = slice(number, number + 1)
        task = replace(self.task, x=self.task.x[here], y=self.task.y[here])
        labels = self.labels[here]
        with task.model.recording() as queries:
            examples = self.run(task.model, task.x, labels).examples
        inside = ThreatModel(self.norm, self.eps).contains
        seen = any(
            bool((self.fooled(predicted, task.y, labels) & inside(task.x.expand_as(images), images)).any())
            for images, predicted in queries
        )
        return Alone(bool(self.successes(task, examples, labels).any()), seen, float(self.moved(task, examples)))

    def moved(self, task: Task, examples: Tensor) -> Tensor:
        """Distances of examples from their images in the norm, ``(N,)``."""
        return distance(task.x, examples, self.norm)


def changed(model: Model, wrapper: torch.nn.Module) -> Model:
    """A model like another one, on its device."""
    return Model(wrapper, model.image_shape).to(model.device)
