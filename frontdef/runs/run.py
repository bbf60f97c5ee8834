"""The runner: trains what is missing, runs jobs, stores; goes on where it was stopped. One for every kind of job."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef._version import __version__
from frontdef.datasets.files import VARIABLE as DATA
from frontdef.device import check_device
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.lazy import resolve
from frontdef.models.cache import ModelCache
from frontdef.models.load import Means
from frontdef.models.request import Request
from frontdef.runs.ended import OnJob, TellingProgress, on_job_of
from frontdef.runs.executors import EXECUTORS, Executor
from frontdef.runs.head import Head, JobEntry
from frontdef.runs.inventory import Inventory, Outcome
from frontdef.runs.job import Job
from frontdef.runs.log import LoggedProgress
from frontdef.runs.plan import Held, Plan
from frontdef.runs.progress import Progress
from frontdef.runs.shard import Shard
from frontdef.runs.space import Space, space_of
from frontdef.runs.store import Store
from frontdef.runs.versions import codes, versions

if TYPE_CHECKING:
    from frontdef.datasets import Split


@dataclass(frozen=True)
class Settings:
    """How to run, as opposed to what.

    Args:
        out: The run folder.
        device: ``cpu`` or ``cuda``.
        data: Folder of the data sets; None takes ``FRONTDEF_DATA``.
        cache: Folder of trained models; None takes ``FRONTDEF_CACHE`` or the user's cache folder.
        download: Whether data sets may be downloaded.
        overwrite: Whether finished jobs are run again.
        retry: Whether failed jobs are run again.
        only: Which jobs to run: keys, whole or abbreviated, or names of tables; empty means all.
        shard: Which share of the plan's jobs to run; None for all.
        command: The command line that repeats the run, for the report.
        jobs: Processes that run jobs side by side; None runs them in this one.
        time_limit: Seconds that each of these may take before it is killed and recorded as failed: loading a model,
            with the ``fit`` of its front end; an epoch of training; a job. None for no limit. Needs processes: one, if
            ``jobs`` says nothing else.
        executor: Where jobs are run, a row of `frontdef.runs.executors.EXECUTORS`; None runs them in this process, or
            in processes where ``jobs`` or ``time_limit`` ask for them.
        ray_address: Of the Ray cluster; None starts one on this machine.
        slurm: What submitit's executor is told, such as ``slurm_partition``.
        on_job: Told of each job that has ended, a `frontdef.JobEnded`: a function, a reference to one, or the id of a
            logger; None tells nobody.
    """

    out: Path
    device: str = "cpu"
    data: Path | None = None
    cache: Path | None = None
    download: bool = False
    overwrite: bool = False
    retry: bool = False
    only: tuple[str, ...] = ()
    shard: Shard | None = None
    command: str = "frontdef run"
    jobs: int | None = None
    time_limit: float | None = None
    executor: str | None = None
    ray_address: str | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)
    on_job: OnJob | str | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ConfigError(f"jobs is the number of processes, at least 1, got {self.jobs}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ConfigError(f"the time limit is a positive number of seconds, got {self.time_limit}")

    @property
    def means(self) -> Means:
        """Where models and data come from, whatever directory a plugin changes to."""
        folders = self.data or os.environ.get(DATA), ModelCache(self.cache).root
        data, cache = (None if folder is None else Path(folder).expanduser().absolute() for folder in folders)
        return Means(self.device, data, cache, self.download)


@dataclass
class Summary:
    """What a run did.

    Args:
        ran: Keys of the jobs that were run and stored.
        cached: Keys of those that were there already.
        failed: Keys of those that failed, now or in an earlier run.
    """

    ran: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def after(self, earlier: Summary) -> Summary:
        """This one, of a run that went on with an earlier one: what that ran is not called stored already."""
        before = set(earlier.ran)
        ran = [*(key for key in self.cached if key in before), *self.ran]
        return Summary(ran, [key for key in self.cached if key not in before], self.failed)


def run(plan: Plan, settings: Settings, progress: Progress) -> Summary:
    """Run what is missing of a plan. Every finished job is kept, whatever happens after it.

    Args:
        plan: What to run.
        settings: How.
        progress: Who is told.

    Raises:
        ConfigError: The device is not there, or more samples are asked for than the data set has.
        UnknownNameError: ``only`` names no job, or no plugin offers the logger.
        DataError: A data set is missing or damaged.
        ModelError: A model that somebody else trained can't be believed on, or misses its stated accuracy.
        StoreError: The run folder or the cache can't be written, or another process works on the run.
    """
    check_device(settings.device)
    on_job = None if settings.on_job is None else on_job_of(settings.on_job)
    jobs = select(plan, settings.only, settings.shard)
    store = Store(settings.out.absolute())
    with store.hold():
        store.sweep()
        told: Progress = LoggedProgress(progress, store.root)
        if on_job is not None:
            told = TellingProgress(told, store.root, on_job)
        return _run(plan, jobs, store, settings, told)


def _run(plan: Plan, jobs: Sequence[Job], store: Store, settings: Settings, progress: Progress) -> Summary:
    inventory = Inventory(plan.samples, settings.means, progress.training, progress.waiting)
    splits = {name: inventory.split(name) for name in plan.samples}
    summary = _settled(jobs, store, settings)
    settled = {*summary.cached, *summary.failed}
    store.require_space(*_needed(plan, [job for job in jobs if job.key not in settled], splits, store))
    notes = tuple(note for model in plan.brought for note in model.admit(splits[model.dataset]))
    progress.note(notes)
    told = _without_jobs(plan, settings.command, notes)
    if not store.renew_head(told, (job.key for job in (*plan.jobs, *plan.twins))):
        before = len(store.head.brought) if store.head else 0
        head = with_brought(_with_jobs(told, plan), store.head)
        if lost := before - len(head.brought):
            progress.note([f"{lost} cells that were imported are of another model or other images: import them again"])
        store.write_head(head)
    for name, split in splits.items():
        key = plan.samples[name].key
        if not store.has_tensors("clean", key):
            store.write_tensors("clean", key, {"images": split.images, "labels": split.labels, "ids": split.ids})
    if settings.overwrite or settings.retry:
        store.forget_failures(job.key for job in jobs)
    progress.begin(jobs, len(settled))
    executor = _executor(plan, settings, inventory, store, progress)
    try:
        for job, outcome in _outcomes([job for job in jobs if job.key not in settled], executor, progress):
            if outcome.about is None:
                store.write_failure(job.table.name, job.key, str(job), outcome.error)
                summary.failed.append(job.key)
                progress.failed(job, outcome.error)
            else:
                summary.ran.append(job.key)
                progress.done(job, outcome.about)
    finally:
        executor.close()
        progress.end()
    return summary


def _settled(jobs: Sequence[Job], store: Store, settings: Settings) -> Summary:
    """What is not run again."""
    if settings.overwrite:
        return Summary()
    stored = {name: store.done(name) for name in {job.table.name for job in jobs}}
    cached = [job.key for job in jobs if job.key in stored[job.table.name]]
    done = set(cached)
    failed = [job.key for job in jobs if job.key not in done and store.failed(job.key)]
    return Summary(cached=cached, failed=[] if settings.retry else failed)


def _needed(plan: Plan, jobs: Sequence[Job], splits: Mapping[str, Split], store: Store) -> Space:
    """The room that jobs and their images will take."""
    images = [
        split.images.nbytes + split.labels.nbytes + split.ids.nbytes
        for name, split in splits.items()
        if not store.has_tensors("clean", plan.samples[name].key)
    ]
    return space_of(jobs, plan.shapes, images)


def select(plan: Plan, only: Iterable[str], shard: Shard | None = None) -> tuple[Job, ...]:
    """The jobs of a plan that are wanted.

    Args:
        plan: The plan.
        only: Keys, whole or abbreviated, or names of tables; empty means all.
        shard: A share of the whole plan, whatever ``only`` leaves of it; None for all.

    Raises:
        UnknownNameError: One that fits no job.
    """
    wanted = tuple(only)
    tables = {job.table.name for job in plan.jobs}
    for name in wanted:
        if name not in tables and not (name and any(job.key.startswith(name) for job in plan.jobs)):
            known = [*sorted(tables), *(job.key for job in plan.jobs[:3])]
            raise UnknownNameError("job", name, known, "`frontdef plan` lists the keys.")
    prefixes = tuple(name for name in wanted if name not in tables)
    jobs = shard.of(plan.jobs) if shard else plan.jobs
    return tuple(job for job in jobs if not wanted or job.table.name in wanted or job.key.startswith(prefixes))


def head_of(plan: Plan, command: str, notes: tuple[str, ...] = ()) -> Head:
    """What ``run.json`` says of a plan.

    Args:
        plan: What is asked for.
        command: The command line that repeats it.
        notes: What was found out about models that somebody else trained.
    """
    return _with_jobs(_without_jobs(plan, command, notes), plan)


def _without_jobs(plan: Plan, command: str, notes: tuple[str, ...]) -> Head:
    return Head(
        kind=plan.kind,
        name=plan.name,
        frontdef=__version__,
        versions=versions(),
        codes=codes(),
        device=plan.device,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        document=plan.document,
        radii=plan.radii,
        skipped=plan.skipped,
        notes=notes,
        samples={name: samples.key for name, samples in plan.samples.items()},
        live=any(isinstance(samples, Held) for samples in plan.samples.values()),
    )


def _with_jobs(head: Head, plan: Plan) -> Head:
    entries = tuple(
        JobEntry(
            key=job.key,
            table=job.table.name,
            what=str(job),
            model=job.models[0].key() if job.models else "",
            about=job.describe(),
        )
        for job in (*plan.jobs, *plan.twins)
    )
    return head.model_copy(update={"jobs": entries})


def with_brought(asked: Head, before: Head | None) -> Head:
    """What is asked for, and what was brought into the run from elsewhere before: no plan asks for that again.

    What was brought in was judged by a model on images, so it stays only as long as the run is of both.

    Args:
        asked: What a plan asks for.
        before: What the run folder says.
    """
    if before is None:
        return asked
    keys, models = {entry.key for entry in asked.jobs}, asked.models
    same = {dataset for dataset, key in before.samples.items() if asked.samples.get(dataset) == key}
    brought = [
        entry for entry in before.brought
        if entry.key not in keys and entry.model in models and entry.about.get("dataset") in same
    ]  # fmt: skip
    return asked.model_copy(update={"jobs": (*asked.jobs, *brought)}) if brought else asked


def _outcomes(jobs: Sequence[Job], executor: Executor, progress: Progress) -> Iterator[tuple[Job, Outcome]]:
    """Load the models, then run their jobs; a model that can't be had fails every job that needs it."""
    if executor.whole:
        yield from executor.run(jobs, progress.started)
        return
    errors: dict[str, str] = {}
    for group in _by_model(jobs):
        ready = []
        for job in group:
            error = next(filter(None, (_error(request, executor, errors) for request in reversed(job.models))), "")
            if error:
                yield job, Outcome(error=error)
            else:
                ready.append(job)
        yield from executor.run(ready, progress.started)


def _by_model(jobs: Iterable[Job]) -> Iterable[list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.models[0].key() if job.models else "", []).append(job)
    return groups.values()


def _error(request: Request, executor: Executor, errors: dict[str, str]) -> str:
    """Why a model can't be had; empty where it can. Tried once a run."""
    key = request.key()
    if key not in errors:
        errors[key] = executor.prepare(request)
    return errors[key]


def _executor(plan: Plan, settings: Settings, inventory: Inventory, store: Store, progress: Progress) -> Executor:
    local = "inline" if settings.jobs is None and settings.time_limit is None else "processes"
    name = settings.executor or local
    if name not in EXECUTORS:
        raise UnknownNameError("executor", name, EXECUTORS)
    executor: Executor = resolve(EXECUTORS[name])(plan, settings, inventory, store, progress)
    return executor
