"""Whoever is told of a run's jobs is told of each, costs the run nothing, and sends nothing anywhere."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner

import frontdef
from frontdef.cli import main
from frontdef.errors import MissingExtraError
from frontdef.loggers import mlflow, wandb
from frontdef.loggers.names import numbers
from frontdef.runs.ended import JobEnded


def evaluated(out, on_job):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return frontdef.evaluate(
        net, images, net(images).argmax(1), eps=0.1, attacks=[{"family": "fgsm"}], libraries="native", diagnose=False,
        quiet=True, out=out, on_job=on_job,
    )  # fmt: skip


def test_each_job_is_told_of_when_it_is_stored(tmp_path):
    told: list[JobEnded] = []
    results = evaluated(tmp_path / "run", lambda ended: told.append(ended) or (tmp_path / "run" / "run.json").stat())
    assert [ended.key for ended in told] == [job.entry.key for job in results.jobs]
    assert all(ended.about and not ended.error for ended in told)
    (cell,) = [ended for ended in told if ended.table == "records"]
    share = results.cells()["robust_accuracy"].item()
    assert numbers(cell)["records/samples/model/none/fgsm/linf/0.1/native/robust_accuracy"] == pytest.approx(share)


def test_what_it_raises_loses_nothing(tmp_path):
    told = []

    def broken(ended):
        told.append(ended)
        raise OSError("the server is gone")

    results = evaluated(tmp_path / "run", broken)
    assert {job.status for job in results.jobs} == {"ok"}
    assert len(told) == 1


def test_a_reference_that_leads_nowhere_is_our_error(tmp_path):
    for reference in ("no_such_module:log", "frontdef.loggers.names:missing", "log"):
        answer = CliRunner().invoke(main, ["run", "--on-job", reference, "--out", str(tmp_path / "run")])
        assert answer.exit_code == 2
        assert reference.rpartition(":")[2] in answer.output
    assert not (tmp_path / "run").exists()


def ended(folder, **changes):
    values = {"run": folder, "key": "abc", "table": "records", "what": "a cell", "describe": {"defense": "none, x|y"}}
    return JobEnded(**{**values, "about": {"robust_accuracy": 0.5, "call": "PGD", "nothing": float("nan")}, **changes})


@pytest.mark.parametrize("logger", [mlflow, wandb])
def test_a_logger_that_is_not_installed_says_what_to_install(logger, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, logger.__name__.rpartition(".")[2], None)
    with pytest.raises(MissingExtraError, match="pip install"):
        logger.log(ended(tmp_path / "fresh"))


def test_mlflow_keeps_the_numbers_in_the_run_folder(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason='needs MLflow: pip install "frontdef[mlflow]"')
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.log(ended(tmp_path))
    mlflow.log(ended(tmp_path, key="def", about=None, error="Traceback\nValueError: no"))
    client, run = mlflow._open[tmp_path]
    kept = client.get_run(run)
    assert kept.data.metrics["records/none- x-y/robust_accuracy"] == 0.5
    assert kept.data.tags["failed.def"] == "ValueError: no"
    assert (tmp_path / "mlruns").is_dir()
    mlflow._open.clear()
    mlflow.log(ended(tmp_path))
    assert mlflow._open[tmp_path][1] == run, "a run that goes on is logged where it began"


def test_wandb_is_offline_and_keeps_its_files_in_the_run_folder(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason='needs Weights & Biases: pip install "frontdef[wandb]"')
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wandb.log(ended(tmp_path))
    run = wandb._open.pop(tmp_path)
    assert run.offline
    assert run.summary["records/none- x-y/robust_accuracy"] == 0.5
    run.finish()
    assert list((tmp_path / "wandb").glob("offline-run-*"))
