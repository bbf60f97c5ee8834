"""One mutant: does it change an example, and does a verdict or a check notice?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from frontdef.attacks.goal import goal
from frontdef.attacks.guard import attacked, isolated
from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.rounding import expected
from frontdef.attacks.spec import AttackSpec, Family, make_spec
from frontdef.checks.invariants import CHECKS
from frontdef.checks.invariants.budget import EPS, PARAMETERS, UNBOUNDED
from frontdef.checks.invariants.tasks import Task, trained
from frontdef.checks.invariants.trial import Trial
from frontdef.errors import ConfigError
from frontdef.matrix.verify import score, verify
from frontdef.threat import Norm
from frontdef.verdicts.agreement import agreement

SAMPLES = 40
"""Images of the matched comparison."""

SETTINGS: tuple[dict[str, Any], ...] = (
    {}, {"target": "next"}, {"loss": "dlr"}, {"random_start": True, "restarts": 2}, {"restarts": 2},
)  # fmt: skip
"""What a row is asked for in turn, where it has it: what only one of them runs is mutated, too."""

ACCUSED = ("invalid", "different", "unexplained")

FIRST = (
    "norm and box", "linear oracle", "grows with ε", "model and input untouched", "corner oracle", "one step",
    "another seed", "same seed, same result", "targets", "losses", "restarts", "random start",
)  # fmt: skip
"""Checks that are asked first: cheap, and often enough."""


@dataclass(frozen=True)
class Cell:
    """What one library made of one setting.

    Args:
        spec: The attack.
        labels: What the library was given.
        examples: What it returned.
        columns: What the verifier says of them.
        faults: What it changed and should not have.
        passes: That it made.
    """

    spec: AttackSpec
    labels: Tensor
    examples: Tensor
    columns: dict[str, np.ndarray]
    faults: list[str]
    passes: float


@dataclass
class Subject:
    """A row of a library before it is mutated.

    Args:
        library: Whose.
        family: The family.
        norm: The norm.
        peers: The other libraries that offer it.
        cells: Number of a setting → what the library makes of it.
        rivals: The same of each peer.
        accused: Pairs of setting and peer that are accused without any mutation.
        alarms: Checks that object without any mutation, as its row says.
    """

    library: AttackLibrary
    family: Family
    norm: Norm
    peers: list[AttackLibrary]
    cells: dict[int, Cell] = field(default_factory=dict)
    rivals: dict[tuple[int, str], Cell] = field(default_factory=dict)
    accused: set[tuple[int, str]] = field(default_factory=set)
    alarms: set[str] = field(default_factory=set)

    @property
    def task(self) -> Task:
        """Images and model."""
        return trained(SAMPLES)

    def specs(self, library: AttackLibrary) -> Iterator[tuple[int, AttackSpec]]:
        """The settings that a library offers."""
        row = library.offers(self.family.name, self.norm)
        assert row is not None
        eps = UNBOUNDED[self.norm] if self.family.minimum_norm else EPS[self.norm]
        for number, setting in enumerate(SETTINGS):
            if setting.keys() <= self.family.parameters.model_fields.keys():
                try:
                    spec = make_spec(self.family, self.norm, eps, {**PARAMETERS.get(self.family.name, {}), **setting})
                except ConfigError:
                    continue
                if not row.refusal(spec):
                    yield number, spec

    def begin(self) -> None:
        """Run the library as it is."""
        self.cells = {number: self.run(self.library, spec) for number, spec in self.specs(self.library)}

    def compare(self) -> None:
        """Run its peers, and see who is accused without any mutation."""
        for peer in self.peers:
            for number, spec in self.specs(peer):
                if number in self.cells:
                    self.rivals[number, peer.name] = self.run(peer, spec)
        self.accused = {place for place, _ in self.judged(self.cells)}
        row = self.library.offers(self.family.name, self.norm)
        assert row is not None
        self.alarms = {violation.check for violation in row.violations or ()}

    def run(self, library: AttackLibrary, spec: AttackSpec) -> Cell:
        """One setting of one library."""
        task = self.task
        labels = goal(spec, task.model, task.x, task.y)
        before = task.model.passes.forward + task.model.passes.backward
        with isolated(task.model, 0) as conduct:
            examples = attacked(library, spec, task.model, task.x, labels, conduct)
        clean = score(task.model, task.x, task.y, draws=1, seed=0)
        columns = verify(
            task.model, task.x, examples, task.y, clean, spec.threat, minimum_norm=self.family.minimum_norm, draws=1,
            seed=0, wanted=labels if spec.targeted else None,
        )  # fmt: skip
        passes = task.model.passes.forward + task.model.passes.backward - before
        return Cell(spec, labels, examples, columns, conduct.faults, passes / len(task.x))

    def changed(self, cell: Cell, number: int) -> bool:
        """Whether any example is another one."""
        first = self.cells[number].examples
        return not torch.equal(cell.examples.nan_to_num(-1), first.nan_to_num(-1))

    def judged(self, cells: dict[int, Cell]) -> Iterator[tuple[tuple[int, str], str]]:
        """Settings and peers with a verdict that accuses and that no named cause explains, with its reason."""
        outcomes, told, examples = [], [], {}
        chosen = [((number, ""), cell) for number, cell in cells.items()]
        chosen += [(place, cell) for place, cell in self.rivals.items() if place[0] in cells]
        for (number, peer), cell in chosen:
            library = next((other for other in self.peers if other.name == peer), self.library)
            key = f"{number}-{library.name}"
            examples[key] = cell.examples.nan_to_num(-1).numpy()
            outcomes.append(self._outcomes(key, number, library, cell))
            told.append(self._told(key, library, cell))
        if not self.rivals:
            return
        for pair in agreement(pd.concat(outcomes), examples.__getitem__, pd.DataFrame(told)):
            if self.library.name in (pair.library_a, pair.library_b) and pair.verdict in ACCUSED:
                peer = pair.library_b if pair.library_a == self.library.name else pair.library_a
                if pair.verdict == "invalid" or pair.cause == "unexplained":
                    yield (json.loads(pair.parameters)["setting"], peer), f"{pair.verdict}: {pair.reason}"

    def _outcomes(self, key: str, number: int, library: AttackLibrary, cell: Cell) -> pd.DataFrame:
        drawn = bool(getattr(cell.spec.parameters, "random_start", False))
        where = {
            "cell": key, "dataset": "shapes", "classifier": "small", "defense": "none", "surrogate": "", "source": "",
            "family": self.family.name, "norm": self.norm, "eps": EPS[self.norm], "library": library.name,
            "parameters": json.dumps({"setting": number, "random_start": drawn}),
        }  # fmt: skip
        return pd.DataFrame({**where, "sample_id": np.arange(len(cell.labels)), **cell.columns})

    def _told(self, key: str, library: AttackLibrary, cell: Cell) -> dict[str, Any]:
        row = library.offers(self.family.name, self.norm)
        assert row is not None
        same = expected(library, cell.spec)
        return {
            "status": "ok", "cell": key, "library": library.name, "difference": row.difference, "causes": row.causes,
            "weakens": row.weakens, "strengthens": row.strengthens, "faults": cell.faults, "forwards": cell.passes,
            "backwards": 0.0, "rounding": 0.0 if same else np.nan, "rounding_samples": 32 if same else np.nan,
        }  # fmt: skip

    def noticed(self, cells: dict[int, Cell]) -> tuple[str, str]:
        """Who notices first, and what is said; empty where nobody does."""
        for place, reason in self.judged(cells):
            if place not in self.accused:
                return f"agreement: {reason.partition(':')[0]}", reason
        trial = Trial(self.library, self.family, self.norm)
        for check in sorted(CHECKS, key=lambda check: FIRST.index(check.name) if check.name in FIRST else len(FIRST)):
            if check.name not in self.alarms and (finding := check.attempt(trial)).alarm:
                return check.name, finding.measured
        return "", ""
