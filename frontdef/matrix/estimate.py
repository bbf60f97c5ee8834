"""How long a plan will take, from measured times, before anything is spent."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.nn import functional as F

from frontdef.matrix.jobs import Cell
from frontdef.matrix.plan import Plan
from frontdef.matrix.results import Results
from frontdef.matrix.store import Store
from frontdef.models.cache import ModelCache
from frontdef.models.request import ModelRequest
from frontdef.protected import Protected
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.stage import Stage

PROBE_BATCH = 32
PROBE_REPEATS = 3


@dataclass(frozen=True)
class Estimate:
    """Seconds that the missing parts of a plan will take.

    Args:
        cells: Key → seconds, of the cells that are not stored.
        training: Seconds to train the models that are not cached.
        measured: How many cells were estimated from the same attack's time in this run folder.
    """

    cells: Mapping[str, float]
    training: float
    measured: int

    def summary(self) -> str:
        """One sentence."""
        total = sum(self.cells.values()) + self.training
        probed = len(self.cells) - self.measured
        return (
            f"to do: {len(self.cells)} cells, about {_duration(total)} ({_duration(self.training)} of it training), "
            f"from a timed pass through each model ({probed} cells) and from times in this run folder "
            f"({self.measured} cells)"
        )


def estimate(plan: Plan, store: Store, device: torch.device, data: Path | None, cache: Path | None) -> Estimate:
    """Estimate the missing parts of a plan.

    A cell's time is that of the same attack and library on another defense of this run folder, scaled by the ratio of
    their passes, where there is one; otherwise its number of gradient steps times a measured forward and backward pass.

    Args:
        plan: The plan.
        store: Its run folder.
        device: Where it will run.
        data: Folder of the data sets.
        cache: Folder of trained models.
    """
    missing = [cell for cell in plan.cells if not store.has(cell.key)]
    requests = {cell.request.key(): cell.request for cell in missing}
    passes = {key: _seconds_a_sample(request, device) for key, request in requests.items()}
    known = _known(plan, store)
    seconds, measured = {}, 0
    for cell in missing:
        times = known.get(_attack(cell))
        measured += times is not None
        per_step = median(times) if times else passes[cell.request.key()] * steps(cell)
        seconds[cell.key] = per_step * cell.samples
    models = ModelCache(cache)
    training = sum(
        passes[key] * _training_passes(request, data) for key, request in requests.items() if not models.has(request)
    )
    return Estimate(seconds, training, measured)


def steps(cell: Cell) -> int:
    """Forward and backward passes that an attack asks for, at most, a sample."""
    values: dict[str, Any] = cell.spec.parameters.model_dump()
    product = 1
    for name in ("steps", "restarts", "binary_search_steps", "draws"):
        product *= int(values.get(name, 1))
    drawn = cell.eot_draws if get_defense(cell.entry.name).randomized else 1
    return product * drawn


def _known(plan: Plan, store: Store) -> dict[tuple[str, ...], list[float]]:
    if not (store.root / "run.json").is_file():
        return {}
    found: dict[tuple[str, ...], list[float]] = {}
    seconds = Results(store.root).cells().set_index("cell")["seconds"]
    for cell in plan.cells:
        if store.has(cell.key) and cell.key in seconds:
            found.setdefault(_attack(cell), []).append(float(seconds[cell.key]) / cell.samples)
    return found


def _attack(cell: Cell) -> tuple[str, ...]:
    spec = cell.spec
    return (
        cell.request.dataset, cell.request.classifier, spec.family.name, spec.threat.norm,
        json.dumps(spec.settings(), sort_keys=True), cell.library,
    )  # fmt: skip


def _seconds_a_sample(request: ModelRequest, device: torch.device) -> float:
    """Time of a forward and a backward pass through the model before it is trained, a sample."""
    dataset = get_dataset(request.dataset)
    front_end = get_defense(request.defense).build(request.config, image_shape=dataset.image_shape).to(device)
    front_end.mark_trained()
    x = torch.rand(PROBE_BATCH, *dataset.image_shape, generator=torch.Generator().manual_seed(0)).to(device)
    y = torch.zeros(PROBE_BATCH, dtype=torch.long, device=device)
    with torch.no_grad():
        shape = tuple(front_end(x[:1]).shape[1:])
    classifier = get_classifier(request.classifier).build(shape, dataset.n_classes)
    protected = Protected(front_end, classifier, image_shape=dataset.image_shape).to(device)
    times = []
    for _ in range(PROBE_REPEATS):
        started = time.perf_counter()
        inputs = x.clone().requires_grad_()
        torch.autograd.grad(F.cross_entropy(protected(inputs), y), inputs)[0].cpu()
        times.append(time.perf_counter() - started)
    return min(times) / PROBE_BATCH


def _training_passes(request: ModelRequest, data: Path | None) -> int:
    samples = request.train_samples or len(get_dataset(request.dataset).load("train", root=data).labels)
    return sum(samples * _passes_a_sample(request, stage) for stage in request.recipe)


def _passes_a_sample(request: ModelRequest, stage: Stage) -> int:
    """Passes through front end and classifier in a stage; the outputs of one that stays as it is are computed once."""
    if stage.adversarial:
        return stage.epochs * (1 + stage.attack_steps * stage.attack_restarts)
    once = stage.trains == "classifier" and stage.augment == "none" and not get_defense(request.defense).randomized
    return 1 if once else stage.epochs


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
