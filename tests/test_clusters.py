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
from frontdef.runs.executors import make, queue, slurm
from frontdef.runs.executors.site import Site
from frontdef.runs.executors.worker import order
from frontdef.runs.progress import PlainProgress
from frontdef.runs.results import load_results
from frontdef.runs.run import Settings, run
from frontdef.runs.versions import Environment, environment
from tests import slurm_site

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

LONGER = MATRIX.replace("samples = 8", "samples = 100").replace('"fgsm"', '"pgd"\nparameters = { steps = 100 }')
"""As many jobs, each of which takes long enough to be killed in."""

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


def test_a_cluster_that_takes_no_array_is_our_error(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'no configuration source' >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(ConfigError, match=r"did not take the array.*no configuration source.*--shard"):
        go(tmp_path / "run", executor="slurm", jobs=2)
    assert not (tmp_path / "run" / "failures").exists()


@pytest.mark.slow
def test_an_array_of_workers_gives_the_same_rows(inline, tmp_path):
    pytest.importorskip("submitit")
    summary, _ = go(tmp_path / "run", executor="submitit-local", jobs=2)
    assert not summary.failed
    assert contents(tmp_path / "run") == contents(inline)
    assert len(list((tmp_path / "run" / "slurm").glob("*_submitted.pkl"))) == 2  # two workers, not a task a job
    (tmp_path / "run" / "run.json").unlink()
    summary, _ = go(tmp_path / "run")
    assert not summary.ran, "its rows are found again where run.json was lost"


@pytest.mark.slow
def test_a_worker_of_an_array_that_dies_costs_the_job_that_it_ran(tmp_path, cache, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm, "POLL", 0.05)
    loses_one_job(tmp_path / "run", executor="submitit-local")


def loses_one_job(out: Path, **options) -> None:
    """Kill the only worker after the first job: one job has failed and says so, all others were run."""
    killed = []

    def kill(count: int) -> None:
        if count == 1:
            killed.extend(workers(out / "slurm"))
            for process in killed:
                os.kill(process, signal.SIGKILL)

    summary, _ = go(out, kill, LONGER, jobs=1, **options)
    assert killed
    assert len(summary.ran) + len(summary.failed) == len(make_plan(parse_matrix(LONGER)).jobs)
    (failed,) = (job for job in load_results(out).jobs if job.error)
    assert "its SLURM worker ended" in failed.error


def workers(folder: Path) -> list[int]:
    """Processes that run what submitit keeps in a folder."""
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 1) for line in listed.splitlines()[1:]]
    return [int(pid) for pid, arguments in rows if "submitit.core._submit" in arguments and str(folder) in arguments]


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
    begun = time.monotonic()
    with pytest.raises(ConfigError, match=r"no Ray cluster at 127\.0\.0\.1:1: .*refused"):
        go(tmp_path / "run", executor="ray", ray_address="127.0.0.1:1")
    assert time.monotonic() - begun < 60  # Ray tries for a quarter of an hour


@pytest.fixture(scope="module")
def one_node(tmp_path_factory):
    """SLURM on this machine; gives what its workers are asked for with."""
    pytest.importorskip("submitit")
    if lacking := slurm_site.missing():
        pytest.skip(f"needs SLURM: {', '.join(lacking)} (Debian: slurm-wlm, munge)")
    with pytest.MonkeyPatch.context() as patch, slurm_site.slurm(tmp_path_factory.mktemp("slurm")) as told:
        for name, value in told.items():
            patch.setenv(name, value)
        yield {"slurm_partition": "all", "timeout_min": 30}


@pytest.mark.slow
@pytest.mark.slurm
def test_an_array_of_slurm_gives_the_same_rows(inline, tmp_path, one_node):
    summary, _ = go(tmp_path / "run", executor="slurm", jobs=2, slurm=one_node)
    assert not summary.failed
    assert contents(tmp_path / "run") == contents(inline)
    assert len(list((tmp_path / "run" / "slurm").glob("*_submission.sh"))) == 1  # one array
    assert len(list((tmp_path / "run" / "slurm").glob("*_submitted.pkl"))) == 2


@pytest.mark.slow
@pytest.mark.slurm
def test_a_killed_worker_of_slurm_costs_the_job_that_it_ran(tmp_path, cache, one_node, monkeypatch):
    """SLURM keeps no accounts here, so its queue alone tells."""
    monkeypatch.setattr(slurm, "POLL", 0.05)
    monkeypatch.setattr(queue, "LOOK", 2.0)
    loses_one_job(tmp_path / "run", executor="slurm", slurm=one_node)


@pytest.mark.parametrize(("answers", "gone"), [(["1_0 1_1", "1_1", "1_1"], {"1_0"}), (["1_0", "", "1_0 1_1"], set())])
def test_a_task_is_gone_that_two_looks_in_a_row_miss(monkeypatch, answers, gone):
    said = iter(answers)
    monkeypatch.setattr(queue, "LOOK", 0.0)
    monkeypatch.setattr(queue, "_listed", lambda: set(next(said).split()))
    asked = queue.Queue()
    for _ in answers:
        found = asked.gone(["1_0", "1_1"])
    assert found == gone


def test_a_queue_that_does_not_answer_has_lost_nobody(monkeypatch):
    monkeypatch.setattr(queue, "LOOK", 0.0)
    monkeypatch.setattr(queue, "_listed", lambda: None)
    asked = queue.Queue()
    assert not [asked.gone(["1"]) for _ in range(3)][-1]
