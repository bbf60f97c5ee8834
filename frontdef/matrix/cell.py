"""One cell: protect, attack, verify."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from frontdef.attacks.guard import isolated
from frontdef.matrix.plan import Cell
from frontdef.matrix.verify import score, verify
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries

if TYPE_CHECKING:
    from frontdef.datasets import Split


@dataclass(frozen=True)
class CellResult:
    """What a cell ends in.

    Args:
        columns: Column → values ``(N,)``, those of `frontdef.matrix.verify.COLUMNS`.
        examples: What the library returned, ``(N,C,H,W)``.
        seen: The same after the front end, as the classifier reads them; empty where these are no images.
        about: forward and backward passes (mean a sample), seconds, the realisation's name and named difference.
    """

    columns: dict[str, np.ndarray]
    examples: Tensor
    seen: Tensor
    about: dict[str, Any]


def run_cell(cell: Cell, protected: Protected, split: Split) -> CellResult:
    """Attack the samples and judge the examples.

    Args:
        cell: What to run.
        protected: The defended model, on its device.
        split: The samples.

    Raises:
        Exception: Whatever the library raises; the runner records it.
    """
    library = get_attack_libraries()[cell.library]
    realisation = library.offers(cell.spec.family.name, cell.spec.threat.norm)
    assert realisation is not None
    target = protected.eot(cell.eot_draws) if type(protected.front_end).randomized else protected
    fresh = cell.spec.seed + 1
    with protected.surrogate(cell.entry.surrogate), isolated(protected, cell.spec.seed):
        protected.passes.forward = protected.passes.backward = 0
        started = time.perf_counter()
        parts = [library.run(cell.spec, target, x.clone(), y.clone()) for x, y in _batches(cell, protected, split)]
        seconds = time.perf_counter() - started
        spent = (protected.passes.forward, protected.passes.backward)
        x_adv = torch.cat([part.detach().cpu() for part in parts])
        clean = score(protected, split.images, split.labels, draws=cell.verify_draws, seed=fresh)
        columns = verify(
            protected, split.images, x_adv, split.labels, clean, cell.spec.threat, draws=cell.verify_draws, seed=fresh
        )
        seen = _seen(protected, x_adv, cell.batch_size)
    about = {
        "forwards": spent[0] / len(split.images),
        "backwards": spent[1] / len(split.images),
        "seconds": seconds,
        "call": realisation.call,
        "difference": realisation.difference,
    }
    return CellResult({"sample_id": split.ids.numpy(), **columns}, x_adv, seen, about)


def _seen(protected: Protected, x_adv: Tensor, batch_size: int) -> Tensor:
    readable = x_adv.nan_to_num().clamp(0, 1).to(protected.device)
    with torch.no_grad():
        if protected.front_end(readable[:1]).shape[1:] != x_adv.shape[1:]:
            return x_adv[:0]
        return torch.cat([protected.front_end(part).cpu() for part in readable.split(batch_size)])


def _batches(cell: Cell, protected: Protected, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    for x, y in zip(split.images.split(cell.batch_size), split.labels.split(cell.batch_size), strict=True):
        yield x.to(protected.device), y.to(protected.device)
