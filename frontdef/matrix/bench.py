"""What a process that runs cells has at hand: the plan, the samples, a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from frontdef.matrix.attempt import Attempt, Sources, attempt, load_model, load_splits
from frontdef.matrix.entries import Matrix
from frontdef.matrix.jobs import Cell
from frontdef.matrix.plan import Plan, make_plan
from frontdef.matrix.store import Store
from frontdef.models.request import ModelRequest
from frontdef.protected import Protected


def head_of(plan: Plan, *, out: Path, device: str, data: Path | None, cache: Path | None) -> dict[str, Any]:
    """What a process has to be told to make the same plan, as JSON values.

    Args:
        plan: What is run.
        out: The run folder, which the process writes.
        device: ``cpu`` or ``cuda``.
        data: Folder of the data sets.
        cache: Folder of trained models.
    """
    return {
        "bench": "frontdef.matrix.bench:Bench",
        "matrix": plan.matrix.model_dump(mode="json"),
        "out": str(out),
        "device": device,
        "data": None if data is None else str(data),
        "cache": None if cache is None else str(cache),
    }


class Bench:
    """The plan, the samples and the model at hand.

    Args:
        head: What is run, as `head_of` says it.
    """

    def __init__(self, head: dict[str, Any]) -> None:
        self.device = torch.device(head["device"])
        self.data, self.cache = (None if head[name] is None else Path(head[name]) for name in ("data", "cache"))
        plan = make_plan(Matrix.model_validate(head["matrix"]), device=head["device"])
        self.cells = {cell.key: cell for cell in plan.cells}
        self.splits = load_splits(plan, self.data, download=False)
        self.store = Store(Path(head["out"]))
        self.model: tuple[str, Protected] | None = None
        self.sources = Sources(self._load)

    def load(self, cell: Cell) -> Protected:
        """The cell's model; the last one is kept."""
        key = cell.request.key()
        if self.model is None or self.model[0] != key:
            self.model = (key, self._load(cell.request))
        self.sources(cell)
        return self.model[1]

    def _load(self, request: ModelRequest) -> Protected:
        split = self.splits[request.dataset]
        return load_model(request, split, self.device, cache=self.cache, data=self.data)

    def run(self, cell: Cell, protected: Protected) -> Attempt:
        """Run a cell and store it.

        Raises:
            StoreError: The run folder can't be written.
        """
        split = self.splits[cell.request.dataset]
        return attempt(cell, protected, split, self.store, self.sources(cell))
