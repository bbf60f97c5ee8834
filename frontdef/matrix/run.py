"""The runner: trains what is missing, attacks, verifies, stores; goes on where it was stopped."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from frontdef._version import __version__
from frontdef.attacks.guard import isolated
from frontdef.checks.masking import diagnose
from frontdef.datasets import Split
from frontdef.errors import ConfigError, StoreError, UnknownNameError
from frontdef.matrix.attempt import Sources, load_model, load_splits
from frontdef.matrix.bench import head_of
from frontdef.matrix.describe import describe_cell, describe_job, describe_measuring, versions
from frontdef.matrix.executor import Executor, InProcess, Processes
from frontdef.matrix.jobs import Cell, Certification, Diagnosing, Measuring
from frontdef.matrix.plan import Plan
from frontdef.matrix.progress import Progress
from frontdef.matrix.store import Store
from frontdef.models.request import ModelRequest
from frontdef.protected import Protected
from frontdef.registry import get_defense


@dataclass(frozen=True)
class Settings:
    """How to run, as opposed to what.

    Args:
        out: The run folder.
        device: ``cpu`` or ``cuda``.
        data: Folder of the data sets; None takes ``FRONTDEF_DATA``.
        download: Whether data sets may be downloaded.
        cache: Folder of trained models; None takes ``FRONTDEF_CACHE`` or the user's cache folder.
        overwrite: Whether finished cells are run again.
        only: Keys of the cells to run, whole or abbreviated; empty means all.
        command: The command line that repeats the run, for the report.
        jobs: Processes that run cells side by side; None runs them in this one.
        time_limit: Seconds that a cell may take before it is killed and recorded as failed; None for no limit. Needs
            processes: one, if ``jobs`` says nothing else.
    """

    out: Path
    device: str = "cpu"
    data: Path | None = None
    download: bool = False
    cache: Path | None = None
    overwrite: bool = False
    only: tuple[str, ...] = ()
    command: str = "frontdef run"
    jobs: int | None = None
    time_limit: float | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ConfigError(f"jobs is the number of processes, at least 1, got {self.jobs}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ConfigError(f"the time limit is a positive number of seconds, got {self.time_limit}")


@dataclass
class Summary:
    """What a run did.

    Args:
        ran: Keys of the cells that were run and stored.
        cached: Keys of those that were there already.
        failed: Keys of those that failed, now or in an earlier run.
    """

    ran: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def check_device(device: str) -> torch.device:
    """Return the device if this machine has it.

    Raises:
        ConfigError: Neither ``cpu`` nor ``cuda``, or no CUDA device here.
    """
    if device not in {"cpu", "cuda"}:
        raise ConfigError(f"the device is 'cpu' or 'cuda', got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device 'cuda' was asked for, but torch {torch.__version__} sees no CUDA device: use --device cpu, or "
            "look at `python -m torch.utils.collect_env`"
        )
    return torch.device(device)


def run(plan: Plan, settings: Settings, progress: Progress) -> Summary:
    """Run what is missing of a plan. Every finished cell is kept, whatever happens after it.

    Args:
        plan: What to run.
        settings: How.
        progress: Who is told.

    Raises:
        ConfigError: The device is not there, or more samples are asked for than the data set has.
        DataError: A data set is missing or damaged.
        StoreError: The run folder or the cache can't be written.
    """
    device = check_device(settings.device)
    store = Store(settings.out)
    splits = load_splits(plan, settings.data, settings.download)
    store.require_space(_estimated_bytes(plan, splits))
    wanted = _wanted(plan, settings.only)
    _write_head(store, plan, settings, splits)
    keys = [cell.key for cell in wanted]
    if settings.overwrite:
        store.forget(keys)
    summary = Summary(cached=[key for key in keys if store.has(key)])
    summary.failed = [key for key in keys if store.failed(key) and not store.has(key)]
    progress.begin(plan, len(summary.cached))

    def load(request: ModelRequest) -> Protected:
        return _protect(request, settings, splits[request.dataset], device, progress)

    executor = _executor(plan, settings, store, Sources(load))
    try:
        for request in plan.requests:
            split = splits[request.dataset]
            _run_model(request, plan, wanted, settings, store, split, device, progress, summary, executor)
    finally:
        executor.close()
        progress.end()
    return summary


def _run_model(
    request: ModelRequest,
    plan: Plan,
    wanted: tuple[Cell, ...],
    settings: Settings,
    store: Store,
    split: Split,
    device: torch.device,
    progress: Progress,
    summary: Summary,
    executor: Executor,
) -> None:
    key = request.key()
    done = {*summary.cached, *summary.failed}
    cells = [cell for cell in wanted if cell.request.key() == key and cell.key not in done]
    jobs = [
        job
        for job in plan.certifications
        if job.request.key() == key and not store.certificate_path(job.key).is_file() and not store.failed(job.key)
    ]
    diagnoses = [
        job
        for job in plan.diagnoses
        if job.request.key() == key and store.read_diagnosis(job.key) is None and not store.failed(job.key)
    ]
    measurements = [
        job
        for job in plan.measurements
        if job.request.key() == key and not store.metric_path(job.key).is_file() and not store.failed(job.key)
    ]
    if not cells and not jobs and not diagnoses and not measurements:
        return
    try:
        protected = _protect(request, settings, split, device, progress)
    except StoreError:
        raise
    except (Exception, SystemExit):
        for cell in cells:
            _record_failure(store, cell, traceback.format_exc(), progress, summary)
        return
    _write_figures(store, key, protected, split)
    for job in jobs:
        try:
            _certify(job, protected, split, store)
        except Exception:
            store.write_failure(
                job.key, {"error": traceback.format_exc(), "cell": f"certificate {job.entry.title} {job.threat}"}
            )
            summary.failed.append(job.key)
    for diagnosing in diagnoses:
        try:
            _diagnose(diagnosing, protected, split, store)
        except Exception:
            what = f"diagnosis of {diagnosing.entry.title} {diagnosing.threat}"
            store.write_failure(diagnosing.key, {"error": traceback.format_exc(), "cell": what})
            summary.failed.append(diagnosing.key)
    for measuring in measurements:
        try:
            _measure(measuring, protected, split, store)
        except Exception:
            store.write_failure(measuring.key, {"error": traceback.format_exc(), "cell": f"metric {measuring}"})
            summary.failed.append(measuring.key)
    ready = _with_sources(cells, settings, split, device, progress, store, summary)
    for cell, found in executor.run(ready, protected, split, progress.started):
        if found.about is None:
            _record_failure(store, cell, found.error, progress, summary)
        else:
            progress.done(cell, found.about)
            summary.ran.append(cell.key)


def _with_sources(
    cells: Sequence[Cell],
    settings: Settings,
    split: Split,
    device: torch.device,
    progress: Progress,
    store: Store,
    summary: Summary,
) -> list[Cell]:
    """Train the models that attacks are transferred from, in this process; cells whose source fails have failed."""
    errors: dict[str, str] = {}
    requests = {cell.source_request.key(): cell.source_request for cell in cells if cell.source_request}
    for key, request in requests.items():
        try:
            _protect(request, settings, split, device, progress)
        except StoreError:
            raise
        except (Exception, SystemExit):
            errors[key] = traceback.format_exc()
    ready = []
    for cell in cells:
        if cell.source_request and cell.source_request.key() in errors:
            _record_failure(store, cell, errors[cell.source_request.key()], progress, summary)
        else:
            ready.append(cell)
    return ready


def _wanted(plan: Plan, only: tuple[str, ...]) -> tuple[Cell, ...]:
    for prefix in only:
        if not any(cell.key.startswith(prefix) for cell in plan.cells):
            raise UnknownNameError(
                "cell", prefix, [cell.key for cell in plan.cells][:5], "`frontdef plan` lists the keys."
            )
    return tuple(cell for cell in plan.cells if not only or cell.key.startswith(only))


def _protect(
    request: ModelRequest, settings: Settings, split: Split, device: torch.device, progress: Progress
) -> Protected:
    def report(epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        progress.training(request, epoch, epochs, loss, accuracy)

    return load_model(
        request, split, device, cache=settings.cache, data=settings.data, download=settings.download, progress=report
    )


def _executor(plan: Plan, settings: Settings, store: Store, sources: Sources) -> Executor:
    if settings.jobs is None and settings.time_limit is None:
        return InProcess(store, sources)
    head = head_of(plan, out=settings.out, device=settings.device, data=settings.data, cache=settings.cache)
    return Processes(head, jobs=settings.jobs or 1, limit=settings.time_limit)


def _record_failure(store: Store, cell: Cell, error: str, progress: Progress, summary: Summary) -> None:
    store.write_failure(cell.key, {"error": error, "cell": str(cell)})
    summary.failed.append(cell.key)
    progress.failed(cell, error)


def _certify(job: Certification, protected: Protected, split: Split, store: Store) -> None:
    certificate = get_defense(job.entry.name).load_certificate()
    assert certificate is not None
    x, y = split.images.to(protected.device), split.labels.to(protected.device)
    certified = certificate.certify(protected, x, y, job.threat).cpu().numpy()
    columns = {"sample_id": split.ids.numpy(), "certified": certified}
    store.write_table(store.certificate_path(job.key), {"statement": certificate.statement}, columns)


def _diagnose(job: Diagnosing, protected: Protected, split: Split, store: Store) -> None:
    certificate = get_defense(job.entry.name).load_certificate()
    x, y = split.images[: job.samples].to(protected.device), split.labels[: job.samples].to(protected.device)
    certified = None if certificate is None else certificate.certify(protected, x, y, job.threat)
    with protected.surrogate(job.entry.surrogate):
        found = diagnose(protected, x, y, job.threat, seed=job.sample_seed, certified=certified)
    store.write_diagnosis(job.key, found.to_dict())


def _measure(job: Measuring, protected: Protected, split: Split, store: Store) -> None:
    few = split.first(job.samples)
    x, y = few.images.to(protected.device), few.labels.to(protected.device)
    with protected.surrogate(job.entry.surrogate), isolated(protected, job.sample_seed):
        found = job.metric(protected, x, y, job.parameters, job.sample_seed)
    columns = {
        "sample_id": np.tile(few.ids.numpy(), len(found)),
        "quantity": np.repeat(list(found), len(few)),
        "value": np.concatenate([values.double().numpy() for values in found.values()]),
    }
    about = {"unit": job.metric.unit, "better": job.metric.better}
    store.write_table(store.metric_path(job.key), about, columns)


def _write_figures(store: Store, key: str, protected: Protected, split: Split) -> None:
    pictures = protected.front_end.figures(split.images[:8].to(protected.device))
    if pictures:
        store.write_tensors(
            "figures", key, {title: picture.cpu() for title, picture in pictures.items()}, {"model": key}
        )


def _estimated_bytes(plan: Plan, splits: Mapping[str, Split]) -> int:
    per_sample = {name: split.images[0].numel() * 4 + 200 for name, split in splits.items()}
    return sum(per_sample[cell.request.dataset] * cell.samples for cell in plan.cells)


def _write_head(store: Store, plan: Plan, settings: Settings, splits: Mapping[str, Split]) -> None:
    for name, split in splits.items():
        tensors = {"images": split.images, "labels": split.labels, "ids": split.ids}
        store.write_tensors("clean", name.replace("/", "_"), tensors, {"dataset": name})
    figures = {
        "|".join([cell.request.dataset, cell.table, cell.entry.title]): cell.request.key() for cell in plan.cells
    }
    store.write_about(
        {
            "frontdef": __version__,
            "versions": versions(),
            "device": settings.device,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": settings.command,
            "matrix": plan.matrix.model_dump(mode="json"),
            "radii": dict(plan.radii),
            "skipped": list(plan.skipped),
            "figures": figures,
            "cells": [describe_cell(cell, settings.command) for cell in plan.cells],
            "certifications": [describe_job(job) for job in plan.certifications],
            "diagnoses": [describe_job(job) for job in plan.diagnoses],
            "measurements": [describe_measuring(job) for job in plan.measurements],
        }
    )
