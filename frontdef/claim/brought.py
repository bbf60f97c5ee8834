"""Examples that somebody else made, as evidence in a run: cells like any other, judged by its own model and rule."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from frontdef.attacks.guard import isolated
from frontdef.claim.read import Claimed, ClaimedRow, read_claim
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.matrix.attack import Cell
from frontdef.matrix.results import MatrixResults
from frontdef.matrix.row import RowJob
from frontdef.matrix.tables import RECORDS
from frontdef.matrix.verify import score, verify
from frontdef.memory import Batches, at_once
from frontdef.models.fingerprint import version_of
from frontdef.runs.head import BROUGHT
from frontdef.runs.inventory import Inventory
from frontdef.runs.plan import Plan
from frontdef.runs.progress import Progress
from frontdef.runs.results import Results, require_kind
from frontdef.runs.run import Settings, run
from frontdef.runs.table import Rows
from frontdef.runs.versions import environment, environment_of
from frontdef.threat import ThreatModel, check_norm
from frontdef.verdicts import broken

FAMILY = "imported"
"""What the tables call the attack: nobody says what it was."""

LONGEST = 60
"""Letters of whoever made the examples, as tables show them."""


class BroughtExamples(NamedTuple):
    """What was brought into a run.

    Args:
        row: Title of the run's row.
        norm: Norm that the claim says the examples are of.
        examples: Examples whose sample the run has.
        unknown: Examples whose image it has not, or under another label: left out.
        key: Of the cell that judges them.
    """

    row: str
    norm: str
    examples: int
    unknown: int
    key: str


@dataclass(frozen=True)
class ImportedCell(RowJob):
    """A claim's examples of one norm on one row: samples without an example keep their image, which breaks nothing.

    Args:
        norm: A norm in which the run judges.
        judged_eps: The run's largest radius in it.
        by: Who made them.
        sha256: Of the claim's file.
        verify_draws: Fresh draws that judge a randomized front end.
        device: Type of device.
        claimed_norm: Norm that the claim says they are of.
        examples: Place of a sample → its example ``(C,H,W)``.
    """

    norm: str
    judged_eps: float
    by: str
    sha256: str
    verify_draws: int
    device: str
    claimed_norm: str
    examples: Mapping[int, np.ndarray] = field(repr=False, compare=False)

    table = RECORDS

    def decides(self) -> Mapping[str, Any]:
        """The model and images, the claim's file, and the code that judges."""
        return {
            **super().decides(),
            "imported": self.sha256,
            "norm": [self.norm, self.claimed_norm],
            "by": self.by,
            "draws": self.verify_draws,
            "device": self.device,
            "torch": version_of("torch"),
        }

    def describe(self) -> Mapping[str, Any]:
        """As a cell is described, so that every table has it; `BROUGHT` keeps it when the plan is run again."""
        return {
            "cell": self.key,
            **self.row.describe(),
            **self.row.details(),
            "surrogate": "",
            "source": "",
            "family": FAMILY,
            "norm": self.norm,
            "eps": None,
            "judged_eps": self.judged_eps,
            "level": None,
            "parameters": json.dumps({"claim": self.sha256[:8], "of": self.claimed_norm}),
            "library": self.by,
            "library_version": self.sha256[:8],
            "seed": self.sample_seed,
            BROUGHT: True,
        }

    @property
    def column(self) -> str:
        """Its column in the grid."""
        return f"{FAMILY} {self.norm}"

    def tell(self, about: Mapping[str, Any]) -> str:
        """What is left."""
        return f"{about['robust_accuracy']:.1%} robust"

    def __str__(self) -> str:
        return f"{self.row} · {FAMILY} {self.norm} · {self.by}"

    def run(self, inventory: Inventory) -> Rows:
        """Judge the examples as those of any library are judged."""
        protected = inventory.model(self.row.request)
        split = inventory.split(self.row.dataset).first(self.samples)
        x_adv = split.images.clone()
        for place, example in self.examples.items():
            x_adv[place] = torch.from_numpy(example)
        threat = ThreatModel(check_norm(self.norm), self.judged_eps)

        def judge(rows: slice) -> dict[str, np.ndarray]:
            x, y, seed = split.images[rows], split.labels[rows], self.sample_seed + 1 + rows.start
            clean = score(protected, x, y, draws=self.verify_draws, seed=seed)
            return verify(protected, x, x_adv[rows], y, clean, threat, minimum_norm=True, draws=self.verify_draws,
                          seed=seed)  # fmt: skip

        with isolated(protected, self.sample_seed + 1):
            lots = [columns for _, columns in Batches(at_once(split.images.shape[1:])).over(len(split), judge)]
        columns = {name: np.concatenate([lot[name] for lot in lots]) for name in lots[0]}
        about: dict[str, Any] = {
            **dict.fromkeys(("forwards", "backwards", "rounding", "rounding_samples", "zero_loss", "zero_gradient")),
            **{name: [] for name in ("stages", "causes", "weakens", "strengthens", "faults")},
            "seconds": 0.0,
            "batch": len(split),
            "call": f"{len(self.examples)} examples of a claim, said to be of {self.claimed_norm}",
            "difference": "",
            "caveat": "what made them is not known",
            "robust_accuracy": broken.robust_accuracy(columns, self.norm, self.judged_eps),
        }  # fmt: skip
        return Rows({"sample_id": split.ids.numpy(), **columns}, about, {"x_adv": x_adv})


def bring(
    results: Results, path: Path, settings: Settings, progress: Progress, *, by: str = "", row: str = ""
) -> list[BroughtExamples]:
    """Judge a claim's examples on the run's own models and count them as evidence.

    Args:
        results: The run.
        path: The claim, an archive that ``frontdef bundle`` wrote.
        settings: Where the run is, its data and its models.
        progress: Who is told.
        by: Who made the examples; empty takes the name of the claim's run.
        row: Title of the run's row on which all of them are tried; empty tries each on the row of its own name.

    Returns:
        One for each row and norm.

    Raises:
        ConfigError: The run is no matrix, was asked for with objects that no file holds or made by other code, or the
            claim has no example of a sample that the run has.
        UnknownNameError: No such row.
        StoreError: The claim can't be read.
    """
    results = require_matrix(results)
    if results.head.live:
        raise ConfigError(
            f"{results.path} was asked for in Python, of a model that no file holds, and examples are judged by the "
            f"run's own model: frontdef.import_claim({str(path)!r}, {str(results.path)!r}, model) takes the object"
        )
    plan = results.kind.remake(results.head.document, results.head.device)
    return count(results, plan, path, settings, progress, by=by, row=row)


def require_matrix(results: Results) -> MatrixResults:
    """A run in which examples are evidence.

    Raises:
        ConfigError: They are not in one of this kind.
    """
    return require_kind(results, MatrixResults, ": examples are evidence in a matrix")


def count(
    results: MatrixResults, plan: Plan, path: Path, settings: Settings, progress: Progress, *, by: str, row: str
) -> list[BroughtExamples]:
    """Judge a claim's examples by the models of a run's plan; see `bring`.

    Raises:
        ConfigError: The plan is no longer the run's, or the claim has no example of a sample that the run has.
        UnknownNameError: No such row.
        StoreError: The claim can't be read.
    """
    _require_same(results, plan)
    claim = read_claim(path)
    inventory = Inventory(plan.samples, settings.means)
    cells = list(_cells(plan, claim, inventory, by or claim.run, row))
    if not cells:
        titles = ", ".join(dict.fromkeys(" ".join(_model(job)) for job in plan.of(RECORDS.name)))
        claimed = ", ".join(row.title for row in claim.rows)
        raise ConfigError(
            f"{path} has no example of an image of {results.path}, under the same label. The claim is about {claimed}; "
            f"the run has {titles}. Rows go by their names, --row names another one of the run, and images are known "
            "by their values"
        )
    run(
        replace(plan, jobs=(*plan.jobs, *(cell for cell, _ in cells))),
        replace(settings, only=tuple(cell.key for cell, _ in cells), command=results.head.command),
        progress,
    )
    return [
        BroughtExamples(cell.row.entry.title, cell.claimed_norm, len(cell.examples), unknown, cell.key)
        for cell, unknown in cells
    ]


def _require_same(results: Results, plan: Plan) -> None:
    """Check that the plan is the run's: it is written into the folder, so what it does not ask for would be lost.

    Raises:
        ConfigError: It has other jobs.
    """
    asked = {job.key for job in (*plan.jobs, *plan.twins)}
    others = [entry for entry in results.head.jobs if not entry.about.get(BROUGHT) and entry.key not in asked]
    if others:
        raise ConfigError(
            f"{results.path} was not made by what is here now: {len(others)} of its jobs would be others, the first "
            f"{others[0].what}{since(results)}. Repeat it, {results.head.command}, then import"
        )


def since(results: Results, most: int = 3) -> str:
    """What is installed otherwise than when a run was written, for messages."""
    changed = environment().differences(environment_of(results.head))
    return f" ({'; '.join(changed[:most])}{'; …' if len(changed) > most else ''})" if changed else ""


def _model(job: Any) -> tuple[str, str, str]:
    about = job.row.describe()
    return about["dataset"], about["classifier"], about["defense"]


def _cells(plan: Plan, claim: Claimed, inventory: Inventory, by: str, title: str) -> Iterator[tuple[ImportedCell, int]]:
    largest: dict[tuple[str, str, str], Cell] = {}
    for job in plan.of(RECORDS.name):
        known = largest.get(_model(job))
        largest[_model(job)] = job if known is None or job.samples > known.samples else known
    if title and title not in (titles := list(dict.fromkeys(defense for *_, defense in largest))):
        raise UnknownNameError("row", title, titles)
    for claimed in claim.rows:
        for model, cell in largest.items():
            if model[2] == title if title else model == claimed.model:
                yield from _of_row(plan, claimed, cell, inventory, by)


def _of_row(
    plan: Plan, claimed: ClaimedRow, cell: Cell, inventory: Inventory, by: str
) -> Iterator[tuple[ImportedCell, int]]:
    split = inventory.split(cell.row.dataset).first(cell.samples)
    if claimed.images.shape[1:] != tuple(split.images.shape[1:]):
        return
    samples = zip(split.images.numpy(), split.labels.tolist(), strict=True)
    place_of = {(image.tobytes(), label): place for place, (image, label) in enumerate(samples)}
    for norm, (numbers, made) in claimed.examples.items():
        places = [place_of.get((claimed.images[number].tobytes(), int(claimed.labels[number]))) for number in numbers]
        examples = {place: example for place, example in zip(places, made, strict=True) if place is not None}
        judged = norm if plan.radii.get(norm) else next(name for name, radii in plan.radii.items() if radii)
        if examples:
            yield ImportedCell(
                cell.row, cell.samples, cell.sample_seed, norm=judged, judged_eps=max(plan.radii[judged]),
                by=by[:LONGEST], sha256=claimed.sha256, verify_draws=cell.verify_draws, device=cell.device,
                claimed_norm=norm, examples=examples,
            ), places.count(None)  # fmt: skip
