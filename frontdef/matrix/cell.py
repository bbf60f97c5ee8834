"""One cell: protect, attack, verify."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from frontdef.attacks.goal import goal
from frontdef.attacks.guard import attacked, isolated
from frontdef.matrix.jobs import Cell
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
        about: Forward and backward passes (mean a sample), seconds, the realisation's name, difference, causes and
            caveat, and the library's faults.
    """

    columns: dict[str, np.ndarray]
    examples: Tensor
    seen: Tensor
    about: dict[str, Any]


def run_cell(cell: Cell, protected: Protected, split: Split, source: Protected | None = None) -> CellResult:
    """Attack the samples and judge the examples.

    Args:
        cell: What to run.
        protected: The defended model, on its device.
        split: The samples; the cell takes its first ones.
        source: The model that is attacked instead; the examples are judged on ``protected``.

    Raises:
        Exception: Whatever the library raises; the runner records it.
    """
    split, spec = split.first(cell.samples), cell.spec
    library = get_attack_libraries()[cell.library]
    realisation = library.offers(spec.family.name, spec.threat.norm)
    assert realisation is not None
    victim = protected if source is None else source
    target = victim.eot(cell.eot_draws) if type(victim.front_end).randomized else victim
    fresh = spec.seed + 1
    wanted = goal(spec, victim, split.images, split.labels)
    with victim.surrogate(cell.surrogate):
        with isolated(victim, spec.seed) as conduct:
            victim.passes.forward = victim.passes.backward = 0
            started = time.perf_counter()
            parts = [
                attacked(library, spec, target, x, y, conduct).cpu()
                for x, y in _batches(split.images, wanted, cell.batch_size, victim.device)
            ]
            seconds = time.perf_counter() - started
            spent = (victim.passes.forward, victim.passes.backward)
        with isolated(protected, fresh):
            x_adv = torch.cat(parts)
            clean = score(protected, split.images, split.labels, draws=cell.verify_draws, seed=fresh)
            columns = verify(
                protected, split.images, x_adv, split.labels, clean, spec.threat,
                draws=cell.verify_draws, seed=fresh, wanted=wanted if spec.targeted else None,
            )  # fmt: skip
            seen = _seen(protected, x_adv, cell.batch_size)
    about = {
        "forwards": spent[0] / len(split),
        "backwards": spent[1] / len(split),
        "seconds": seconds,
        "call": realisation.call,
        "difference": "" if spec.defaults else realisation.difference,
        "causes": [] if spec.defaults else list(realisation.causes),
        "caveat": realisation.caveat,
        "faults": conduct.faults,
    }
    return CellResult({"sample_id": split.ids.numpy(), **columns}, x_adv, seen, about)


def _seen(protected: Protected, x_adv: Tensor, batch_size: int) -> Tensor:
    readable = x_adv.nan_to_num().clamp(0, 1).to(protected.device)
    with torch.no_grad():
        if protected.front_end(readable[:1]).shape[1:] != x_adv.shape[1:]:
            return x_adv[:0]
        return torch.cat([protected.front_end(part).cpu() for part in readable.split(batch_size)])


def _batches(images: Tensor, labels: Tensor, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    for x, y in zip(images.split(size), labels.split(size), strict=True):
        yield x.to(device), y.to(device)
