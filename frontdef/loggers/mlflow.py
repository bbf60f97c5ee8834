"""MLflow: ``--on-job frontdef.loggers.mlflow:log``. Into the run's own folder, unless MLFLOW_TRACKING_URI is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.errors import MissingExtraError
from frontdef.loggers.names import numbers

if TYPE_CHECKING:
    from frontdef.runs.ended import JobEnded

TAG = "frontdef.run"
"""Names the run folder, so that a run that goes on is logged where it began."""

_open: dict[Path, tuple[Any, str]] = {}
"""Run folder → client, and id of the run in MLflow."""


def log(ended: JobEnded) -> None:
    """Log the numbers of a job; the last line of the error of one that failed is a tag.

    Raises:
        MissingExtraError: MLflow is not installed.
    """
    client, run = _run(ended)
    for name, value in numbers(ended).items():
        client.log_metric(run, name, value)
    if ended.about is None:
        client.set_tag(run, f"failed.{ended.key[:8]}", ended.error.strip().rpartition("\n")[2][:500])


def _run(ended: JobEnded) -> tuple[Any, str]:
    folder = ended.run.absolute()
    if folder not in _open:
        try:
            from mlflow import MlflowClient
        except ImportError:
            raise MissingExtraError("logging to MLflow", "mlflow-skinny") from None
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or (folder / "mlruns").as_uri())
        experiment = client.get_experiment_by_name("frontdef")
        number = experiment.experiment_id if experiment else client.create_experiment("frontdef")
        begun = [run for run in client.search_runs([number]) if run.data.tags.get(TAG) == str(folder)]
        run = begun[0] if begun else client.create_run(number, tags={TAG: str(folder), "mlflow.runName": folder.name})
        _open[folder] = client, run.info.run_id
    return _open[folder]
