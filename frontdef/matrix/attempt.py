"""A cell run to its end: stored, or failed with a reason."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from frontdef.datasets import Split
from frontdef.matrix.cell import CellResult, run_cell
from frontdef.matrix.jobs import Cell
from frontdef.matrix.plan import Plan
from frontdef.matrix.store import Store
from frontdef.models.cache import ModelCache
from frontdef.models.request import ModelRequest
from frontdef.protected import Protected
from frontdef.registry import get_dataset

if TYPE_CHECKING:
    from frontdef.training import ProgressCallback


@dataclass(frozen=True)
class Attempt:
    """What came of a cell.

    Args:
        about: What is known of it once it is stored; None where it failed.
        error: Why it failed: a traceback, or what killed it.
    """

    about: Mapping[str, Any] | None = None
    error: str = ""


class Sources:
    """The models that attacks are transferred from; the last one is kept.

    Args:
        load: Gives a trained model.
    """

    def __init__(self, load: Callable[[ModelRequest], Protected]) -> None:
        self._load = load
        self._last: tuple[str, Protected] | None = None

    def __call__(self, cell: Cell) -> Protected | None:
        """The model that a cell attacks instead of the defense; None where it attacks the defense."""
        if cell.source_request is None:
            return None
        key = cell.source_request.key()
        if self._last is None or self._last[0] != key:
            self._last = (key, self._load(cell.source_request))
        return self._last[1]


def attempt(cell: Cell, protected: Protected, split: Split, store: Store, source: Protected | None = None) -> Attempt:
    """Run a cell and store it; whatever the library raises is a result.

    Args:
        cell: What to run.
        protected: The defended model.
        split: The samples.
        store: The run folder.
        source: The model that is attacked instead.

    Raises:
        StoreError: The run folder can't be written.
    """
    try:
        result = run_cell(cell, protected, split, source)
    except (Exception, SystemExit):
        return Attempt(error=traceback.format_exc())
    return Attempt(about=_store(store, cell, result))


def load_splits(plan: Plan, data: Path | None, download: bool) -> dict[str, Split]:
    """The test samples of each data set of a plan."""
    return {
        name: get_dataset(name).load("test", root=data, download=download).take(plan.matrix.samples, plan.matrix.seed)
        for name in plan.matrix.datasets
    }


def load_model(
    request: ModelRequest,
    split: Split,
    device: torch.device,
    *,
    cache: Path | None,
    data: Path | None,
    download: bool = False,
    progress: ProgressCallback | None = None,
) -> Protected:
    """The defended model of a request, trained if it is not in the cache."""
    model = ModelCache(cache).get_or_train(request, device=device, data_root=data, download=download, progress=progress)
    return Protected(model.front_end, model.classifier, image_shape=tuple(split.images.shape[1:])).to(device)


Announce = Callable[[Cell], None]
"""Told when a cell is begun."""


def _store(store: Store, cell: Cell, result: CellResult) -> dict[str, Any]:
    columns = result.columns
    robust = columns["clean_correct"] & ~columns["success"]
    about = {**result.about, "robust_accuracy": float(robust.mean())}
    n = len(columns["sample_id"])
    store.write_cell(
        cell.key,
        about,
        {"cell": np.array([cell.key] * n), **columns},
        {"x_adv": result.examples} | ({"seen": result.seen} if len(result.seen) else {}),
    )
    return about
