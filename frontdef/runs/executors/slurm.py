"""Jobs on a SLURM cluster, by submitit: one array of so many workers, each with its share of the jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdef.errors import ConfigError, MissingExtraError
from frontdef.registry import PluginError
from frontdef.runs.executors.queue import Queue
from frontdef.runs.inventory import Outcome
from frontdef.runs.shard import Shard
from frontdef.runs.store import SUBMITTED

if TYPE_CHECKING:
    from frontdef.models.request import Request
    from frontdef.runs.executors import Announce
    from frontdef.runs.job import Job
    from frontdef.runs.store import Store

POLL = 2.0
"""Seconds between two looks into the run folder."""


@dataclass(frozen=True)
class Portion:
    """What one worker of the array runs: the jobs of its share that are not done, in their order.

    A worker that is preempted, or whose time ends, is queued again as it is: what it had finished is stored.

    Args:
        told: As `frontdef.runs.executors.worker.order` says it.
        keys: Its jobs.
    """

    told: Mapping[str, Any]
    keys: tuple[str, ...]

    def __call__(self) -> int:
        """Run them; returns how many were run."""
        from frontdef.runs.executors.site import Site

        site, ran = Site(self.told), 0
        for key in self.keys:
            job = site.plan.by_key[key]
            if site.store.has(job.table.name, key) or site.store.failed(key):
                continue
            error = site.load(key) or site.run(key)["error"]
            if error:
                site.store.write_failure(job.table.name, key, str(job), error)
            ran += 1
        return ran

    def checkpoint(self, *arguments: Any, **named: Any) -> Any:
        """What submitit puts into the queue again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Slurm:
    """Runs jobs as a SLURM array of workers, and waits for what they store.

    The run folder, the data and the cache of models must be seen under the same paths on every node.

    Args:
        told: What a worker is told, as `frontdef.runs.executors.worker.order` says it.
        store: The run folder.
        jobs: How many workers.
        options: What submitit's executor is told: ``slurm_partition``, ``timeout_min``, ``gpus_per_node``, …
        cluster: ``slurm``, or ``local`` for submitit's processes on this machine.

    Raises:
        MissingExtraError: submitit is not installed.
        ConfigError: There is no SLURM here, or submitit does not know an option.
    """

    whole = True

    def __init__(
        self, told: Mapping[str, Any], store: Store, *, jobs: int, options: Mapping[str, Any], cluster: str = "slurm"
    ) -> None:
        try:
            import submitit
        except ImportError:
            raise MissingExtraError("--executor slurm", "submitit", "slurm") from None
        self.store, self.count = store, jobs
        self.told = {**told, "threads": int(options.get("cpus_per_task", 1))}
        gpus = {"gpus_per_node": 1} if told["device"].startswith("cuda") else {}
        try:
            self.executor = submitit.AutoExecutor(folder=store.root / SUBMITTED, cluster=cluster)
            self.executor.update_parameters(**{"name": "frontdef", **gpus, **options})
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise ConfigError(f"SLURM can't be asked: {error}. `frontdef run … --shard I/N` needs no sbatch") from None
        self.tasks: list[Any] = []
        self.queue = Queue() if cluster == "slurm" else None

    def prepare(self, request: Request) -> str:
        """Nothing: a worker loads what its jobs need."""
        return ""

    def run(self, jobs: Sequence[Job], started: Announce) -> Iterator[tuple[Job, Outcome]]:
        """Submit one array, and yield each job once its result is in the run folder.

        A worker that dies while it runs a job is begun again after it; the job has failed then.
        """
        left = {job.key: job for job in jobs}
        shares = [Shard(i + 1, self.count).of(jobs) for i in range(self.count)]
        portions = [Portion(self.told, tuple(job.key for job in share)) for share in shares if share]
        while left and portions:
            self.tasks = self._submitted(portions)
            for job in jobs:
                if job.key in left:
                    started(job)
            while not all(task.done() or task.job_id in self._gone() for task in self.tasks):
                yield from self._ended(left)
                time.sleep(POLL)
            yield from self._ended(left)
            portions, lost = self._lost(portions, left)
            for key, error in lost:
                yield left.pop(key), Outcome(error=error)

    def _gone(self) -> set[str]:
        return set() if self.queue is None else self.queue.gone([task.job_id for task in self.tasks])

    def _submitted(self, portions: Sequence[Portion]) -> list[Any]:
        """One array; each worker is the callable itself, so that it can checkpoint."""
        try:
            with self.executor.batch():
                tasks = [self.executor.submit(portion) for portion in portions]
        except Exception as error:  # of submitit and of what it calls, several kinds
            raise ConfigError(
                f"SLURM did not take the array: {str(error) or type(error).__name__}. `sinfo` says whether "
                "it can be asked from here; `frontdef run … --shard I/N` needs no sbatch"
            ) from error
        return tasks

    def _ended(self, left: dict[str, Job]) -> Iterator[tuple[Job, Outcome]]:
        done = {name: self.store.done(name) for name in {job.table.name for job in left.values()}}
        for key, job in list(left.items()):
            if key in done[job.table.name]:
                del left[key]
                yield job, Outcome(about=self.store.about(job.table.name, key))
            elif self.store.failed(key):
                del left[key]
                yield job, Outcome(error=self.store.failure(key)["error"])

    def _lost(
        self, portions: Sequence[Portion], left: Mapping[str, Job]
    ) -> tuple[list[Portion], list[tuple[str, str]]]:
        """What is left of portions whose worker ended early; the job that it was running is the first of it."""
        again, lost = [], []
        for task, portion in zip(self.tasks, portions, strict=True):
            keys = [key for key in portion.keys if key in left]
            if keys:
                error = task.exception() if task.done() else "SLURM has it no longer"
                if "PluginError" in str(error):
                    raise PluginError(next(line for line in reversed(str(error).splitlines()) if "PluginError" in line))
                lost.append((keys[0], f"ProcessDied: its SLURM worker ended ({error}); see {task.paths.stderr}"))
                if keys[1:]:
                    again.append(Portion(portion.told, tuple(keys[1:])))
        return again, lost

    def close(self) -> None:
        """Cancel what is still queued or running."""
        for task in self.tasks:
            if not task.done():
                task.cancel()
