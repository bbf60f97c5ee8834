"""Jobs on a Ray cluster: warm actors, a model each, share the jobs of all models; what a lost node ran is run again."""

from __future__ import annotations

import math
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from frontdef.errors import ConfigError, MissingExtraError, StoreError
from frontdef.registry import PluginError
from frontdef.runs.inventory import Outcome

if TYPE_CHECKING:
    from frontdef.models.request import Request
    from frontdef.runs.executors import Announce
    from frontdef.runs.job import Job
    from frontdef.runs.store import Store

TRIES = 3
"""How often a job is begun whose actor dies: a node may be lost, a job may end every process that it is run in."""

PATIENCE = 10.0
"""Seconds in which a cluster must answer at its address; Ray itself asks again for a quarter of an hour."""

Phase = Literal["starting", "loading", "running"]
"""What an actor does with a job: it begins (no limit holds yet), loads its models, runs it."""


@dataclass(eq=False)
class _Actor:
    """An actor, and what it does."""

    handle: Any
    warm: str = ""
    job: Job | None = None
    phase: Phase = "starting"
    since: float = 0.0
    pending: Any = field(default=None, repr=False)


class Cluster:
    """Runs jobs on Ray.

    The run folder, the data and the cache of models must be seen under the same paths on every node.

    Args:
        told: What an actor is told, as `frontdef.runs.executors.worker.order` says it.
        store: The run folder.
        address: Of a cluster; None takes ``RAY_ADDRESS``, or starts one on this machine.
        jobs: How many actors; None takes one a GPU of the cluster, or one a processor where the plan needs no GPU.
        limit: Seconds that a job may take once its models are loaded, and loading them; None for no limit.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: The cluster can't be reached, or has no GPU where one is asked for.
    """

    whole = True

    def __init__(
        self, told: Mapping[str, Any], store: Store, *, address: str | None, jobs: int | None, limit: float | None
    ) -> None:
        try:
            import ray
        except ImportError:
            raise MissingExtraError("--executor ray", "ray", "ray") from None
        self.ray, self.store, self.limit = ray, store, limit
        self.started_here = not ray.is_initialized()
        if self.started_here:
            try:
                _knock(address or os.environ.get("RAY_ADDRESS", ""))
                ray.init(address=address, log_to_driver=False, include_dashboard=False, configure_logging=False)
            except (OSError, RuntimeError, ValueError) as error:
                raise ConfigError(f"no Ray cluster at {address or os.environ.get('RAY_ADDRESS')}: {error}") from None
        gpus = 1 if told["device"].startswith("cuda") else 0
        having = int(ray.cluster_resources().get("GPU" if gpus else "CPU", 0))
        if not having:
            raise ConfigError("the Ray cluster has no GPU, and --device is cuda: add a node that has, or --device cpu")
        self.count = jobs or having
        self.told = {**told, "threads": 1}
        self.remote = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(_site_class())
        self.actors: list[_Actor] = []

    def prepare(self, request: Request) -> str:
        """Nothing: an actor loads what its job needs."""
        return ""

    def run(self, jobs: Sequence[Job], started: Announce) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs side by side, in the order in which they end; each actor stays with a model while it has jobs."""
        waiting: dict[str, deque[Job]] = {}
        for asked in jobs:
            waiting.setdefault(_model(asked), deque()).append(asked)
        tries: Counter[str] = Counter()
        while waiting or any(actor.job for actor in self.actors):
            self._employ(waiting, started)
            busy = {actor.pending: actor for actor in self.actors if actor.job}
            ready, _ = self.ray.wait(list(busy), num_returns=1, timeout=self._patience())
            for pending, actor in busy.items():
                job = actor.job
                assert job is not None
                if pending in ready:
                    outcome = self._answer(actor, job, waiting, tries)
                    if outcome is not None:
                        yield job, outcome
                elif self._left(actor) <= 0:
                    self._dismiss(actor)
                    yield job, Outcome(error=f"TimeLimit: killed after {self.limit:g} s")

    def _left(self, actor: _Actor) -> float:
        """Seconds that an actor may still take for what it does."""
        if self.limit is None or actor.phase == "starting":
            return math.inf
        return actor.since + self.limit - time.monotonic()

    def _patience(self) -> float | None:
        left = min(self._left(actor) for actor in self.actors if actor.job)
        return None if math.isinf(left) else max(0.0, left)

    def _employ(self, waiting: dict[str, deque[Job]], started: Announce) -> None:
        """Give every idle actor a job: of the model that it holds, or of the one that has most jobs an actor."""
        left = sum(map(len, waiting.values()))
        while len(self.actors) < min(self.count, left + sum(actor.job is not None for actor in self.actors)):
            self.actors.append(_Actor(self.remote.remote(self.told)))
        for actor in self.actors:
            if actor.job is None and waiting:
                holders = Counter(other.warm for other in self.actors if other.job)
                model = actor.warm
                if model not in waiting:
                    model = max(waiting, key=lambda name: len(waiting[name]) / (1 + holders[name]))
                job = waiting[model].popleft()
                if not waiting[model]:
                    del waiting[model]
                started(job)
                actor.job, actor.warm = job, model
                if actor.phase == "starting":
                    actor.pending = actor.handle.ready.remote()
                else:
                    self._begin(actor, "loading", actor.handle.load.remote(job.key))

    def _answer(self, actor: _Actor, job: Job, waiting: dict[str, deque[Job]], tries: Counter[str]) -> Outcome | None:
        """What came of a job; None where it goes on, or is begun again."""
        errors = self.ray.exceptions
        try:
            said = self.ray.get(actor.pending)
        except errors.ActorDiedError as error:
            if isinstance(getattr(error, "cause", None), PluginError) or "PluginError" in str(error):
                raise PluginError(_last(str(error))) from None
            self._dismiss(actor)
            tries[job.key] += 1
            if tries[job.key] >= TRIES:
                return Outcome(error=f"ProcessDied: {TRIES} actors that ran it died ({_last(str(error))})")
            waiting.setdefault(_model(job), deque()).appendleft(job)
            return None
        except errors.RayTaskError as error:
            raise StoreError(_last(str(error))) from None
        if actor.phase == "starting":
            self._begin(actor, "loading", actor.handle.load.remote(job.key))
            return None
        if actor.phase == "loading" and not said:
            self._begin(actor, "running", actor.handle.run.remote(job.key))
            return None
        actor.job = None
        if actor.phase == "loading":
            return Outcome(error=said)
        outcome = Outcome(**said)
        if outcome.about is not None and not self.store.has(job.table.name, job.key):
            raise StoreError(
                f"{job} was stored on another machine, and {self.store.root} does not have it here: give --out a path "
                "on a file system that every node of the cluster shares, or use --shard"
            )
        return outcome

    @staticmethod
    def _begin(actor: _Actor, phase: Phase, pending: Any) -> None:
        actor.phase, actor.since, actor.pending = phase, time.monotonic(), pending

    def _dismiss(self, actor: _Actor) -> None:
        self.actors.remove(actor)
        self.ray.kill(actor.handle, no_restart=True)

    def close(self) -> None:
        """End the actors, and the cluster where it was started here."""
        for actor in list(self.actors):
            self._dismiss(actor)
        if self.started_here:
            self.ray.shutdown()


def _knock(address: str) -> None:
    """Whether somebody listens at an address; ``auto`` and ``local`` are none."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()


def _model(job: Job) -> str:
    return job.models[0].key() if job.models else ""


def _last(error: str) -> str:
    return error.strip().splitlines()[-1] if error.strip() else ""


def _site_class() -> type:
    from frontdef.runs.executors.site import Site

    return Site
