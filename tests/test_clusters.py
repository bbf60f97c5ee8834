"""Other machines run the same jobs to the same rows, whoever hands them out, and whatever is lost on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from frontdef.errors import ConfigError, FrontdefError, MissingExtraError
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.registry import PluginError
from frontdef.runs import versions
from frontdef.runs.executors import make
from frontdef.runs.executors.site import Site
from frontdef.runs.executors.worker import order
from frontdef.runs.progress import PlainProgress
from frontdef.runs.results import load_results
from frontdef.runs.run import Settings, run
from frontdef.runs.versions import Environment, environment

MATRIX = """
name = "spread"
samples = 8
classifiers = ["fc2"]
libraries = ["native"]
train_samples = 100
recipe = [{ epochs = 1, lr = 0.01 }]
[[defense]]
name = "none"
[[defense]]
name = "none"
label = "other"
recipe = [{ epochs = 2, lr = 0.01 }]
[[attack]]
family = "fgsm"
eps = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
"""

TIMES = ("wall", "seconds")


class Watched(PlainProgress):
    """Tells somebody each time that a job has ended."""

    def __init__(self, told=lambda count: None) -> None:
        super().__init__(Console(file=open(os.devnull, "w")))  # noqa: SIM115
        self.told, self.ended = told, 0
        self.begun: list[str] = []

    def started(self, job) -> None:
        self.begun.append(job.key)

    def done(self, job, about) -> None:
        self.ended += 1
        self.told(self.ended)


def go(out: Path, told=lambda count: None, text: str = MATRIX, **options):
    progress = Watched(told)
    return run(make_plan(parse_matrix(text)), Settings(out=out, **options), progress), progress


def contents(folder: Path) -> dict[str, Any]:
    """All that is stored, without times."""
    results = load_results(folder)
    said = {
        job.entry.key: (results.rows(job), {**job.about, **dict.fromkeys(TIMES, 0)}, job.error) for job in results.jobs
    }
    examples = {path.name: path.read_bytes() for path in (folder / "records").glob("*.safetensors")}
    return {"jobs": said, "examples": examples}


@pytest.fixture(scope="module")
def inline(tmp_path_factory, cache):
    os.environ["FRONTDEF_CACHE"] = str(cache)
    out = tmp_path_factory.mktemp("spread") / "inline"
    summary, _ = go(out)
    assert not summary.failed
    return out


def lone(out: Path) -> Site:
    plan = make_plan(parse_matrix(MATRIX))
    return Site({**order(plan, Settings(out=out).means, out), "threads": 1})


def test_a_site_runs_what_this_process_runs(inline, tmp_path):
    shutil.copytree(inline, tmp_path / "site")
    for path in (tmp_path / "site" / "records").iterdir():
        path.unlink()
    site = lone(tmp_path / "site")
    for job in site.plan.of("records"):
        assert site.load(job.key) == ""
        assert site.run(job.key)["error"] == ""
    assert contents(tmp_path / "site") == contents(inline)


@pytest.mark.parametrize(
    "change",
    [
        {"codes": {"frontdef": "another"}},
        {"codes": {"frontdef-of-the-driver": "0"}},
        {"versions": {"torch": "0.1"}},
        {"versions": {"frontdef-of-the-driver": "1.0"}},
    ],
)
def test_a_worker_whose_code_differs_refuses_and_says_where(inline, change):
    here = environment()
    driver = Environment({**here.versions, **change.get("versions", {})}, {**here.codes, **change.get("codes", {})})
    name = next(iter(next(iter(change.values()))))
    with pytest.raises(PluginError, match=f"refuses the run's jobs.*{name} is .* here and .* there"):
        versions.require(driver)


def test_python_and_the_platform_may_differ():
    here = environment()
    versions.require(Environment({**here.versions, "python": "3.0", "platform": "another"}, here.codes))


def test_processes_refuse_a_driver_that_differs(inline, tmp_path, monkeypatch):
    """The worker finds out by itself; the run ends in one error, and no job is recorded as failed."""
    real = make.order
    other = {"environment": {"versions": {}, "codes": {"frontdef": "another"}}}
    monkeypatch.setattr(make, "order", lambda *what: {**real(*what), **other})
    with pytest.raises(PluginError, match="refuses"):
        go(tmp_path / "run", jobs=1)
    assert not (tmp_path / "run" / "failures").exists()


def test_what_an_executor_can_not_do_is_refused(tmp_path):
    for options, words in (
        ({"executor": "rai"}, "Did you mean 'ray'"),
        ({"executor": "inline", "jobs": 2}, "no --jobs"),
        ({"executor": "slurm"}, "--jobs N"),
        ({"executor": "submitit-local", "jobs": 1, "time_limit": 3.0}, "--time-limit"),
        ({"executor": "submitit-local", "jobs": 1, "overwrite": True}, "--overwrite"),
    ):
        with pytest.raises(FrontdefError, match=words):
            go(tmp_path / "run", **options)


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("submitit-local", "submitit")])
def test_a_missing_extra_is_named(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"frontdef\[{name.replace('submitit-local', 'slurm')}\]"):
        go(tmp_path / "run", executor=name, jobs=1)


@pytest.mark.slow
def test_an_array_of_workers_gives_the_same_rows(inline, tmp_path):
    pytest.importorskip("submitit")
    summary, _ = go(tmp_path / "run", executor="submitit-local", jobs=2)
    assert not summary.failed
    assert contents(tmp_path / "run") == contents(inline)
    assert len(list((tmp_path / "run" / "slurm").glob("*_submitted.pkl"))) == 2  # two workers, not a task a job


@pytest.mark.slow
def test_a_worker_of_an_array_that_dies_costs_the_job_that_it_ran(inline, tmp_path):
    pytest.importorskip("submitit")

    def kill(count: int) -> None:
        if count == 1:
            for process in children("submitit"):
                os.kill(process, signal.SIGKILL)

    summary, _ = go(tmp_path / "run", kill, executor="submitit-local", jobs=1)
    assert len(summary.failed) <= 1
    assert len(summary.ran) + len(summary.failed) == len(load_results(inline).jobs)


def children(word: str) -> list[int]:
    """Processes below this one that run something."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    below, found = {os.getpid()}, []
    for pid, parent, arguments in sorted(rows, key=lambda row: int(row[0])):
        if int(parent) in below:
            below.add(int(pid))
            if word in arguments:
                found.append(int(pid))
    return found


@pytest.fixture(scope="module")
def nodes():
    """A Ray cluster of two nodes on this machine."""
    pytest.importorskip("ray", reason='needs Ray: pip install "frontdef[ray]"')
    from ray.cluster_utils import Cluster

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("RAY_worker_niceness", "0")  # on a busy machine a worker with Ray's 15 never starts
    small = {"object_store_memory": 80 * 2**20, "num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    cluster.wait_for_nodes()
    yield cluster
    import ray

    ray.shutdown()
    cluster.shutdown()
    monkeypatch.undo()


@pytest.mark.slow
@pytest.mark.ray
def test_two_nodes_of_which_one_is_killed_give_the_same_rows(inline, tmp_path, nodes):
    """Only what the lost node was running is run again."""
    import ray

    lost = []

    def kill(count: int) -> None:
        if count == 2:
            node = next(node for node in nodes.worker_nodes)
            for process in node.all_processes.values():
                for info in process:
                    os.kill(info.process.pid, signal.SIGKILL)
            lost.append(time.monotonic())

    ray.shutdown()
    summary, progress = go(tmp_path / "run", kill, executor="ray", ray_address=nodes.address)
    assert lost
    assert not summary.failed
    assert contents(tmp_path / "run") == contents(inline)
    again = len(progress.begun) - len(set(progress.begun))
    assert again <= 1  # one actor a node


@pytest.mark.slow
@pytest.mark.ray
def test_a_cluster_that_is_not_there_is_named(tmp_path):
    pytest.importorskip("ray", reason='needs Ray: pip install "frontdef[ray]"')
    with pytest.raises(ConfigError, match="no Ray cluster"):
        go(tmp_path / "run", executor="ray", ray_address="127.0.0.1:1")
