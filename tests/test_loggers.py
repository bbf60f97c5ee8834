"""Whoever is told of a run's jobs is told of each, costs the run nothing, and sends nothing anywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import urllib.request
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import frontdef
from frontdef.cli import main
from frontdef.errors import UnknownNameError
from frontdef.logger import numbers
from frontdef.registry.catalog import Catalog
from frontdef.registry.loader import Plugin, load
from frontdef.registry.status import PluginStatus
from frontdef.runs.ended import JobEnded
from frontdef.testing import LoggerConformance


def without_loggers():
    return [plugin for plugin in load("import") if not plugin.records.get("loggers")]


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
    for reference in ("no_such_module:log", "frontdef.logger:missing", "log"):
        answer = CliRunner().invoke(main, ["run", "--on-job", reference, "--out", str(tmp_path / "run")])
        assert answer.exit_code == 2
        assert reference.rpartition(":")[2] in answer.output
    assert not (tmp_path / "run").exists()


def ended(folder, **changes):
    values = {"run": folder, "key": "abc", "table": "records", "what": "a cell", "describe": {"defense": "none, x|y"}}
    return JobEnded(**{**values, "about": {"robust_accuracy": 0.5, "call": "PGD", "nothing": float("nan")}, **changes})


def test_a_number_that_is_none_is_left_out_and_names_are_plain():
    about = {"robust_accuracy": 0.5, "call": "PGD", "nothing": float("nan")}
    describe = {"defense": "none, x|y", "eps": 8 / 255, "library": ""}
    told = JobEnded(Path("run"), "abc", "records", "a cell", describe, about)
    assert numbers(told) == {
        "records/none- x-y/8 over 255/robust_accuracy": 0.5,
        "records/none- x-y/8 over 255/failed": 0.0,
    }
    assert numbers(dataclasses.replace(told, about=None, describe={})) == {"records/failed": 1.0}


class TestOne(LoggerConformance):
    logger = "tests.test_loggers:lines"


def lines(ended):
    with (ended.run / "log.txt").open("a") as file:
        file.write(f"{ended.key}\n")


def calls_home(ended):
    urllib.request.urlopen("https://example.invalid", timeout=1)


def hides_that_it_calls_home(ended):
    with contextlib.suppress(OSError):
        calls_home(ended)


def litters(ended):
    Path("log.txt").touch()


def both(kit):
    kit.test_it_is_told_of_every_job_and_uses_no_network()
    kit.test_it_writes_into_the_run_folder_alone()


@pytest.mark.parametrize(
    ("logger", "said"),
    [(calls_home, "on_job raised"), (hides_that_it_calls_home, "connects to the network"), (litters, "outside of the")],
)
def test_the_kit_notices_what_a_logger_may_not(logger, said):
    kit = type("Kit", (LoggerConformance,), {"logger": f"tests.test_loggers:{logger.__name__}"})()
    with pytest.raises(AssertionError, match=said):
        both(kit)


def test_a_logger_that_nobody_offers_names_what_to_install_before_anything_is_run(tmp_path, monkeypatch):
    kept = Catalog(without_loggers())
    monkeypatch.setattr("frontdef.registry.lookup.catalog", lambda: kept)
    answer = CliRunner().invoke(main, ["run", "--on-job", "mlflow", "--out", str(tmp_path / "run")])
    assert answer.exit_code == 2
    assert "pip install frontdef-mlflow" in " ".join(answer.output.split())
    with pytest.raises(UnknownNameError, match=r"pip install frontdef-wandb.*MODULE:FUNCTION"):
        evaluated(tmp_path / "run", "wandb")
    assert not (tmp_path / "run").exists()


def test_a_logger_is_listed_and_asked_for_by_its_name(tmp_path, monkeypatch):
    told = []
    status = PluginStatus("lab", "frontdef-lab", "1", "ok")
    offered = {"loggers": {"lab": frontdef.Logger("lab", told.append, "a list")}}
    kept = Catalog([*without_loggers(), Plugin(status, offered)])
    monkeypatch.setattr("frontdef.registry.lookup.catalog", lambda: kept)
    assert "a list" in CliRunner().invoke(main, ["ls", "loggers"]).output
    results = evaluated(tmp_path / "run", "lab")
    assert [ended.key for ended in told] == [job.entry.key for job in results.jobs]
