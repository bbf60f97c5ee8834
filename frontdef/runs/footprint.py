"""How much memory and disk a plan will take, measured on one pass through each model, before anything is spent."""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from frontdef.memory import at_once
from frontdef.models.load import Means
from frontdef.models.request import ModelRequest, Request
from frontdef.models.sketch import training_passes
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.runs import head as heads
from frontdef.runs.job import Job
from frontdef.runs.plan import Plan
from frontdef.runs.run import head_of
from frontdef.runs.space import space_of

FLOAT = 4
"""Bytes of a float32."""

PROBE = 2
"""Images of the pass that is measured."""

IN_ATTACK = 8
"""Copies of its images that an attack holds: images, start, iterate, step, gradient, the best so far, the result."""

IN_JUDGMENT = 12
"""The same where examples are judged, in float32 terms: distances are computed in float64."""

AT_WORK = 3
"""Times the largest activation that a pass holds where none is kept: a layer's input, its output, and workspace."""


IN_TRAINING = 6
"""Copies of the parameters in a training: weights, gradients, Adam's two moments, and weights and gradients as oneDNN
lays them out anew for each pass."""


@dataclass(frozen=True)
class Activations:
    """What a model holds in memory, bytes.

    Args:
        kept: An image's, from the forward pass for the backward pass.
        largest: The largest of these.
        parameters: Parameters and buffers.
    """

    kept: float
    largest: float
    parameters: int


@dataclass(frozen=True)
class Footprint:
    """What the missing parts of a plan will take.

    Args:
        memory: Bytes that a process holds at its peak, on the device for what passes through models there.
        peak: What it does then.
        disk: Bytes that are written.
    """

    memory: float
    peak: str
    disk: float

    def summary(self) -> str:
        """One sentence."""
        if not self.peak:
            return "nothing is to be written"
        return (
            f"peak memory about {_size(self.memory)} a process ({self.peak}); about {_size(self.disk)} will be written"
        )


def activations_of(protected: Protected) -> Activations:
    """Measure a model on a forward and a backward pass.

    Args:
        protected: On its device.
    """
    assert protected.image_shape is not None
    own = {tensor.untyped_storage().data_ptr() for tensor in (*protected.parameters(), *protected.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    draws = torch.Generator().manual_seed(0)
    x = torch.rand((PROBE, *protected.image_shape), generator=draws).to(protected.device).requires_grad_()
    y = torch.zeros(PROBE, dtype=torch.long, device=protected.device)
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = protected(x)
    if logits.requires_grad:
        torch.autograd.grad(F.cross_entropy(logits, y), x, allow_unused=True)
    sizes = [*kept.values(), x.numel() * FLOAT]
    parameters = sum(tensor.nbytes for tensor in (*protected.parameters(), *protected.buffers()))
    return Activations(sum(sizes) / PROBE, max(sizes) / PROBE, parameters)


def footprint(
    plan: Plan, missing: Sequence[Job], means: Means, activations: Mapping[str, Activations], base: float
) -> Footprint:
    """Predict the peak of a process that runs the missing jobs, and what they write.

    Args:
        plan: The plan.
        missing: Its jobs that are not stored.
        means: Where models and data come from.
        activations: Key of a model → what it holds.
        base: Bytes that a process holds before it loads a model.
    """
    if not missing:
        return Footprint(0, "", 0)
    images = sum(len(samples) * math.prod(samples.image_shape) * FLOAT for samples in plan.samples.values())
    peaks = [(base + images + _of_job(job, plan, activations), str(job)) for job in missing]
    for request in {request.key(): request for job in missing for request in job.models}.values():
        peaks.append(
            (base + images + training_memory(request, means, activations[request.key()]), f"training {request}")
        )
    memory, peak = max(peaks)
    written = space_of(missing, plan.shapes, (images, len(heads.dump(head_of(plan, "")))))
    return Footprint(memory, peak, written.bytes)


def _of_job(job: Job, plan: Plan, activations: Mapping[str, Activations]) -> float:
    """Its models, with the copy by which an attack that changes them is found out, and the larger of its passes."""
    held = [activations[request.key()] for request in job.models]
    if not held:
        return 0
    shape = plan.shapes[job.models[0].dataset]
    image, lot = FLOAT * math.prod(shape), min(job.size, at_once(shape))
    passes = [lot * (AT_WORK * held[0].largest + IN_JUDGMENT * image)]
    if job.batch:
        first = held[-1]  # the one that is attacked
        each = first.kept + 2 * first.largest if job.batch.gradients else AT_WORK * first.largest
        passes.append(job.batch.images * (each + IN_ATTACK * image))
    return 2 * sum(model.parameters for model in held) + max(passes)


@singledispatch
def training_memory(request: Request, means: Means, activations: Activations) -> float:
    """Bytes that it takes to train a model that is not there yet.

    Args:
        request: Which.
        means: Where models and data come from.
        activations: What it holds.
    """
    return 0


@training_memory.register(ModelRequest)
def _of_recipe(request: ModelRequest, means: Means, activations: Activations) -> float:
    """All training images and those that are drawn of them; the parameters' copies; a step."""
    if not training_passes(request, means):
        return 0
    dataset = get_dataset(request.dataset)
    total = dataset.n_train or request.train_samples or 0
    images = (total + (request.train_samples or total)) * FLOAT * math.prod(dataset.image_shape)
    batch = max((stage.batch_size for stage in request.recipe), default=0)
    return images + IN_TRAINING * activations.parameters + batch * (activations.kept + 2 * activations.largest)


def resident() -> float:
    """Bytes that this process holds in memory."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return float(statm.read_text().split()[1]) * mmap.PAGESIZE
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def _size(n_bytes: float) -> str:
    units: Iterable[tuple[float, str]] = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
    for unit, name in units:
        if n_bytes >= unit:
            return f"{n_bytes / unit:.3g} {name}"
    return f"{n_bytes:.0f} B"
