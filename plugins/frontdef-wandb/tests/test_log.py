"""What stands in Weights & Biases: numbers by their names, offline, one run a run folder."""

from __future__ import annotations

import pytest

pytest.importorskip("wandb", reason="needs Weights & Biases: pip install frontdef-wandb")

from frontdef_wandb import log as logger

from frontdef import JobEnded


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A job is logged; the run of wandb, which is ended afterwards."""
    monkeypatch.delenv("WANDB_MODE", raising=False)
    about = {"robust_accuracy": 0.5, "call": "PGD", "nothing": float("nan")}
    logger.log(JobEnded(tmp_path, "abc", "records", "a cell", {"defense": "none, x|y"}, about))
    opened = logger._open.pop(tmp_path)
    yield opened
    opened.finish()


def test_numbers_stand_in_the_run_folder_offline(run, tmp_path):
    assert run.offline
    assert run.project == "frontdef"
    assert run.name == tmp_path.name
    assert run.summary["records/none- x-y/robust_accuracy"] == 0.5
    assert list((tmp_path / "wandb").glob("offline-run-*"))


def test_a_run_that_goes_on_is_logged_where_it_began(run, tmp_path):
    run.finish()
    logger.log(JobEnded(tmp_path, "def", "records", "another", {}, None, "Traceback\nValueError: no"))
    again = logger._open.pop(tmp_path)
    assert again.id == run.id
    assert again.summary["records/failed"] == 1
    again.finish()
