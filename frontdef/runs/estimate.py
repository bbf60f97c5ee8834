"""How long a plan will take, from measured times, before anything is spent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import torch
from torch.nn import functional as F

from frontdef.counts import plural
from frontdef.memory import at_once
from frontdef.models.load import Means
from frontdef.models.sketch import sketch, training_passes
from frontdef.protected import Protected
from frontdef.runs.footprint import Footprint, activations_of, footprint, resident
from frontdef.runs.plan import Plan
from frontdef.runs.store import Store

PROBE_SHARE = 8
"""A timed pass gets an eighth of the images that pass at once."""

PROBE_REPEATS = 3


@dataclass(frozen=True)
class Estimate:
    """Seconds that the missing parts of a plan will take.

    Args:
        jobs: Key → seconds, of the jobs that are not stored; None where nothing is known of them.
        training: Seconds to train the models that are not cached.
        measured: How many jobs were estimated from the same work's time in this run folder.
        footprint: The memory and the disk that they will take.
    """

    jobs: Mapping[str, float | None]
    training: float
    measured: int
    footprint: Footprint

    def summary(self) -> str:
        """One sentence."""
        known = [seconds for seconds in self.jobs.values() if seconds is not None]
        unknown = len(self.jobs) - len(known)
        left_out = f"; of {plural(unknown, 'job')} nothing is known until one like them has been run" if unknown else ""
        if not known and not self.training and unknown:
            return f"to do: {plural(unknown, 'job')}; how long they take is not known until one like them has been run"
        return (
            f"to do: {plural(len(self.jobs), 'job')}, about {_duration(sum(known) + self.training)} "
            f"({_duration(self.training)} of it training), from a timed pass through each model "
            f"({plural(len(known) - self.measured, 'job')}) and from times in this run folder "
            f"({plural(self.measured, 'job')}){left_out}"
        )


def estimate(plan: Plan, store: Store, means: Means) -> Estimate:
    """Estimate the missing parts of a plan.

    A job's time is that of the same work on another model of this run folder, where there is one; otherwise the passes
    that it asks for times a measured forward and backward pass. Of work that counts no passes nothing is known.

    Args:
        plan: The plan.
        store: Its run folder.
        means: Where models and data come from.
    """
    missing = [job for job in plan.jobs if not store.has(job.table.name, job.key)]
    requests = {request.key(): request for job in missing for request in job.models}
    base = resident()
    passes, activations = {}, {}
    for key, request in requests.items():
        protected = sketch(request, means)
        activations[key] = activations_of(protected)
        passes[key] = _seconds_a_sample(protected)
    known = _known(plan, store)
    seconds: dict[str, float | None] = {}
    measured = 0
    for job in missing:
        times = known.get(job.alike)
        if times:
            measured += 1
            seconds[job.key] = median(times) * job.size
        else:
            count = job.passes
            each = passes[job.models[0].key()].each(gradient=job.batch is None or job.batch.gradients) if count else 0.0
            seconds[job.key] = None if count is None else count * each
    training = sum(passes[key].both * training_passes(request, means) for key, request in requests.items())
    return Estimate(seconds, training, measured, footprint(plan, missing, means, activations, base))


def _known(plan: Plan, store: Store) -> dict[tuple[object, ...], list[float]]:
    """What work is alike → seconds a sample, of each job that is done."""
    times: dict[tuple[object, ...], list[float]] = {}
    for job in plan.jobs:
        if store.has(job.table.name, job.key):
            times.setdefault(job.alike, []).append(float(store.about(job.table.name, job.key)["wall"]) / job.size)
    return times


class _Seconds(NamedTuple):
    """Time a sample of a forward pass, and of both."""

    forward: float
    both: float

    def each(self, *, gradient: bool) -> float:
        """Of one pass of an attack that follows gradients, or of one that asks for answers alone."""
        return self.both / 2 if gradient else self.forward


def _seconds_a_sample(protected: Protected) -> _Seconds:
    """Time of passes through a model, a sample."""
    assert protected.image_shape is not None
    count = max(1, at_once(protected.image_shape) // PROBE_SHARE)
    shape = (count, *protected.image_shape)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(protected.device)
    y = torch.zeros(count, dtype=torch.long, device=protected.device)
    forward, both = [], []
    for _ in range(PROBE_REPEATS):
        started = time.perf_counter()
        inputs = x.clone().requires_grad_()
        torch.autograd.grad(F.cross_entropy(protected(inputs), y), inputs)[0].cpu()
        both.append(time.perf_counter() - started)
        started = time.perf_counter()
        with torch.no_grad():
            protected(x).cpu()
        forward.append(time.perf_counter() - started)
    return _Seconds(min(forward) / count, min(both) / count)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
