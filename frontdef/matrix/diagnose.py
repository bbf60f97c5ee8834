"""A diagnosis of one defended model: is its gradient lying?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from frontdef.attacks.guard import isolated
from frontdef.checks import masking
from frontdef.matrix.certify import certificate_code, prove
from frontdef.matrix.row import Asked, Row, RowJob
from frontdef.matrix.tables import DIAGNOSES
from frontdef.matrix.verify import Scores, score, verify
from frontdef.memory import at_once
from frontdef.models.fingerprint import version_of
from frontdef.registry import get_defense
from frontdef.runs.job import BatchSize
from frontdef.runs.table import Rows
from frontdef.threat import ThreatModel
from frontdef.verdicts import broken

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.runs.inventory import Inventory


@dataclass(frozen=True)
class Diagnose(RowJob):
    """One diagnosis; what its attacks break counts in the worst case like any cell's examples.

    Args:
        threat: In which its gradient is looked at.
        budget: What its attacks may spend.
        first: Images of its first look; it goes on to all of them while it is undecided.
    """

    threat: ThreatModel
    budget: masking.Budget
    first: int

    table = DIAGNOSES

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {
            **super().decides(),
            "surrogate": self.row.entry.surrogate,
            "norm": self.threat.norm,
            "eps": self.threat.eps,
            "code": [*certificate_code(self.row.entry.name), masking.code()],
            "budget": self.budget.model_dump(),
            "first": self.first,
            "torch": version_of("torch"),
        }

    def describe(self) -> Mapping[str, Any]:
        """Ids and numbers by which it is found."""
        return {**self.row.describe(), "norm": self.threat.norm, "eps": self.threat.eps}

    @property
    def size(self) -> int:
        """Images that are looked at in any case."""
        return self.first

    @property
    def batch(self) -> BatchSize:
        """Images that an attack gets at once, each draw of a randomized front end by itself."""
        defense, shape = get_defense(self.row.entry.name), self.row.request.image_shape
        draws = masking.Budget().eot if defense.randomized else 1
        return BatchSize(min(at_once((draws, *shape)), self.samples) * draws, gradients=True)

    @property
    def column(self) -> str:
        """Its column in the grid."""
        return "diagnoses"

    def bytes(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """One example for each sample that falls, at most."""
        return self.samples * 4 * math.prod(shapes[self.row.dataset])

    def tell(self, about: Mapping[str, Any]) -> str:
        """The verdict and the time."""
        return f"{about['verdict']}, {about['wall']:.1f} s"

    def __str__(self) -> str:
        return f"{self.row} · diagnosis {self.threat}"

    def run(self, inventory: Inventory) -> Rows:
        """Run the checks.

        Raises:
            Exception: Whatever the model or its certificate raises.
        """
        protected = inventory.model(self.row.request)
        split = inventory.split(self.row.dataset).first(self.samples)
        x, y = split.images.to(protected.device), split.labels.to(protected.device)
        broke: dict[str, list[int]] = {}
        kept: dict[int, Tensor] = {}
        draws, seed = self.budget.judge, self.sample_seed + 1

        @cache
        def clean() -> Scores:
            with isolated(protected, seed):
                return score(protected, x, y, draws=draws, seed=seed)

        def certified(images: Tensor, labels: Tensor) -> Tensor | None:
            return prove(self.row.entry.name, protected, images, labels, self.threat, seed=self.sample_seed)

        def keep(attack: str, numbers: Tensor, examples: Tensor) -> None:
            with isolated(protected, seed):
                columns = verify(
                    protected, x[numbers], examples, y[numbers], clean().of(numbers), self.threat,
                    minimum_norm=False, draws=draws, seed=seed,
                )  # fmt: skip
            fell = torch.from_numpy(broken.broken(columns, self.threat.norm, self.threat.eps))
            if fell.any():
                fallen = split.ids[numbers][fell].tolist()
                broke.setdefault(attack, []).extend(fallen)
                for sample, example in zip(fallen, examples[fell].cpu(), strict=True):
                    kept.setdefault(sample, example)

        with protected.surrogate(self.row.entry.surrogate):
            diagnosis = masking.diagnose(
                protected,
                x,
                y,
                self.threat,
                first=self.first,
                seed=self.sample_seed,
                certified=certified,
                budget=self.budget,
                keep=keep,
            )
        values = {**diagnosis.to_dict(), "broke": broke}
        del values["reasons"]  # words, composed when they are shown
        checks = [
            {**{name: value for name, value in check.items() if name != "cost"},
             "forwards": check["cost"]["forward"], "backwards": check["cost"]["backward"]}
            for check in values.pop("findings")
        ]  # fmt: skip
        examples = torch.stack(list(kept.values())) if kept else x[:0].cpu()
        tensors = {"sample_ids": torch.tensor(list(kept), dtype=torch.int64), "x_adv": examples}
        return Rows({name: [check[name] for check in checks] for name in DIAGNOSES.stored}, values, tensors)


def jobs(asked: Asked, row: Row) -> Iterator[Diagnose]:
    """One in each norm that the matrix diagnoses, at its largest radius."""
    matrix, radii = asked.matrix, asked.radii
    first = min(matrix.diagnose_samples, matrix.samples)
    most = min(max(matrix.diagnose_most, first), matrix.samples)
    for norm in matrix.diagnose:
        if radii.get(norm) and row.entry.diagnose:
            threat = ThreatModel(norm, radii[norm][-1])
            yield Diagnose(row, most, matrix.seed, threat=threat, budget=matrix.diagnose_budget, first=first)
