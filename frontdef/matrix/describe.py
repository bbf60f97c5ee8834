"""What ``run.json`` says of a run's parts, whether or not they have been run."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from typing import Any

from frontdef.matrix.jobs import Cell, Certification, Diagnosing, Measuring
from frontdef.registry import get_attack_libraries

VERSIONS = ("torch", "numpy", "adversarial-robustness-toolbox", "torchattacks", "foolbox")


def versions() -> dict[str, str]:
    """Versions that decide results: Python, torch, the attack libraries, and every plugin of frontdef."""
    found = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    wanted = {*VERSIONS, *(library.distribution for library in get_attack_libraries().values())}
    plugins = {entry.dist.name for entry in importlib.metadata.entry_points(group="frontdef") if entry.dist}
    for name in sorted(wanted | plugins):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def describe_cell(cell: Cell, command: str) -> dict[str, Any]:
    """What ``run.json`` says of a cell, whether or not it has been run."""
    about = cell.describe()
    library = get_attack_libraries()[cell.library]
    return {
        "cell": cell.key,
        "dataset": cell.request.dataset,
        "classifier": cell.table,
        "network": cell.request.classifier,
        "defense": cell.entry.title,
        "defense_id": cell.entry.name,
        "surrogate": cell.surrogate or "",
        "source": cell.source.title if cell.source else "",
        "family": cell.family,
        "norm": cell.spec.threat.norm,
        "eps": cell.eps,
        "parameters": json.dumps(about["parameters"], sort_keys=True),
        "library": cell.library,
        "library_version": library.version(),
        "seed": cell.spec.seed,
        "command": f"{command} --overwrite --cell {cell.key}",
    }


def describe_job(job: Certification | Diagnosing) -> dict[str, Any]:
    """What ``run.json`` says of a certificate or a diagnosis."""
    return {
        "key": job.key,
        "dataset": job.request.dataset,
        "classifier": job.table,
        "defense": job.entry.title,
        "norm": job.threat.norm,
        "eps": job.threat.eps,
    }


def describe_measuring(job: Measuring) -> dict[str, Any]:
    """What ``run.json`` says of a metric."""
    return {
        "key": job.key,
        "dataset": job.request.dataset,
        "classifier": job.table,
        "defense": job.entry.title,
        "metric": job.metric.name,
        "parameters": json.dumps(job.settings(), sort_keys=True),
    }
