"""Which executor a run asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frontdef.errors import ConfigError
from frontdef.runs.executors.inline import Inline
from frontdef.runs.executors.processes import Processes
from frontdef.runs.executors.worker import order
from frontdef.runs.plan import Held

if TYPE_CHECKING:
    from frontdef.runs.executors import Executor
    from frontdef.runs.inventory import Inventory
    from frontdef.runs.plan import Plan
    from frontdef.runs.progress import Progress
    from frontdef.runs.run import Settings
    from frontdef.runs.store import Store


def inline(plan: Plan, settings: Settings, inventory: Inventory, store: Store, progress: Progress) -> Executor:
    """In this process."""
    if settings.jobs is not None or settings.time_limit is not None:
        raise ConfigError("--executor inline runs one job after the other without a limit: no --jobs, no --time-limit")
    return Inline(inventory, store)


def processes(plan: Plan, settings: Settings, inventory: Inventory, store: Store, progress: Progress) -> Executor:
    """In processes of this machine."""
    return Processes(
        order(plan, settings.means, store.root),
        jobs=settings.jobs or 1,
        limit=settings.time_limit,
        progress=progress.training,
        waiting=progress.waiting,
    )


def ray(plan: Plan, settings: Settings, inventory: Inventory, store: Store, progress: Progress) -> Executor:
    """On a Ray cluster."""
    from frontdef.runs.executors.cluster import Cluster

    return Cluster(
        _elsewhere(plan, settings, store),
        store,
        address=settings.ray_address,
        jobs=settings.jobs,
        limit=settings.time_limit,
    )


def slurm(
    plan: Plan,
    settings: Settings,
    inventory: Inventory,
    store: Store,
    progress: Progress,
    cluster: str = "slurm",
) -> Executor:
    """On a SLURM cluster."""
    from frontdef.runs.executors.slurm import Slurm

    if settings.jobs is None:
        raise ConfigError("--executor slurm needs --jobs N, the number of workers in its array")
    if settings.time_limit is not None:
        raise ConfigError("--time-limit can't be kept by a SLURM worker, which runs many jobs: leave it out")
    if settings.overwrite:
        raise ConfigError("--overwrite is not for --executor slurm, whose workers leave out what is stored")
    told = _elsewhere(plan, settings, store)
    return Slurm(told, store, jobs=settings.jobs, options=settings.slurm, cluster=cluster)


def submitit_local(plan: Plan, settings: Settings, inventory: Inventory, store: Store, progress: Progress) -> Executor:
    """As on a SLURM cluster, in submitit's processes on this machine: to try what an array would do."""
    return slurm(plan, settings, inventory, store, progress, cluster="local")


def _elsewhere(plan: Plan, settings: Settings, store: Store) -> Mapping[str, Any]:
    """What a process on another machine is told."""
    held = [name for name, samples in plan.samples.items() if isinstance(samples, Held)]
    if held:
        raise ConfigError(f"the samples {held[0]!r} are in this process alone, so no other machine can run the jobs")
    return order(plan, settings.means, store.root)
