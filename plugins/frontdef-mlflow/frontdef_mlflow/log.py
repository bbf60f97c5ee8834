"""A run of frontdef as a run of MLflow, its numbers as metrics. No network unless MLFLOW_TRACKING_URI names one."""

from __future__ import annotations

import os
from pathlib import Path

from frontdef import JobEnded
from frontdef.logger import numbers

# Before the import: MLflow sends what is used of it to its makers, and no longer takes a folder without being told to.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

from mlflow import MlflowClient

EXPERIMENT = "frontdef"

TAG = "frontdef.run"
"""Names the run folder, so that a run that goes on is logged where it began."""

_open: dict[Path, tuple[MlflowClient, str]] = {}
"""Run folder → client, and id of the run in MLflow."""


def log(ended: JobEnded) -> None:
    """Log the numbers of a job; the last line of the error of one that failed is a tag.

    Args:
        ended: The job.
    """
    client, run = _run(ended.run.absolute())
    for name, value in numbers(ended).items():
        client.log_metric(run, name, value)
    if ended.about is None:
        client.set_tag(run, f"failed.{ended.key[:8]}", ended.error.strip().rpartition("\n")[2][:500])


def _run(folder: Path) -> tuple[MlflowClient, str]:
    if folder not in _open:
        client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or (folder / "mlruns").as_uri())
        experiment = client.get_experiment_by_name(EXPERIMENT)
        number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
        begun = [run for run in client.search_runs([number]) if run.data.tags.get(TAG) == str(folder)]
        run = begun[0] if begun else client.create_run(number, tags={TAG: str(folder), "mlflow.runName": folder.name})
        _open[folder] = client, run.info.run_id
    return _open[folder]
