"""What stands in MLflow: numbers by their names, failures, one run a run folder."""

from __future__ import annotations

import pytest

pytest.importorskip("mlflow", reason="needs MLflow: pip install frontdef-mlflow")

from frontdef_mlflow import log as logger

from frontdef import JobEnded


@pytest.fixture(autouse=True)
def local(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def ended(folder, **changes):
    about = {"robust_accuracy": 0.5, "call": "PGD", "nothing": float("nan")}
    values = {"run": folder, "key": "abc", "table": "records", "what": "a cell", "describe": {"defense": "none, x|y"}}
    return JobEnded(**{**values, "about": about, **changes})


def test_numbers_and_failures_stand_in_the_run_folder(tmp_path):
    logger.log(ended(tmp_path))
    logger.log(ended(tmp_path, key="def", about=None, error="Traceback\nValueError: no"))
    client, run = logger._open[tmp_path]
    kept = client.get_run(run)
    assert kept.data.metrics == {
        "records/none- x-y/robust_accuracy": 0.5, "records/none- x-y/failed": 1.0,
    }  # fmt: skip
    assert kept.data.tags["failed.def"] == "ValueError: no"
    assert kept.data.tags["mlflow.runName"] == tmp_path.name
    assert (tmp_path / "mlruns").is_dir()


def test_a_run_that_goes_on_is_logged_where_it_began(tmp_path):
    logger.log(ended(tmp_path))
    _, run = logger._open.pop(tmp_path)
    logger.log(ended(tmp_path))
    assert logger._open[tmp_path][1] == run


def test_a_server_is_written_to_where_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "theirs").as_uri())
    logger.log(ended(tmp_path / "run"))
    assert (tmp_path / "theirs").is_dir()
    assert not (tmp_path / "run" / "mlruns").exists()
