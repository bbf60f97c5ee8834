"""What a plugin does beside its work costs it its own job and nothing else: no other job, no process, no answer."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import frontdef
from frontdef import registry
from frontdef.cli import interrupt, main
from tests.forks import fork, wait
from tests.plugins.conftest import Site
from tests.quiet import run_matrix

PLUGIN = '''
    import asyncio, ctypes, json, os, pathlib, subprocess, sys, time
    import torch
    import frontdef
    from frontdef.frontend import Identity

    def note(name):
        folder = pathlib.Path(os.environ["WILD_NOTES"])
        folder.joinpath(f".{name}").write_text(str(os.getpid()))
        folder.joinpath(f".{name}").rename(folder / name)

    def writes():
        """To whatever it can reach, as answers and as orders."""
        line = json.dumps({"end": {"about": {}, "error": ""}}) + "\\n"
        print(line * 3, flush=True)
        os.write(1, line.encode() * 3)
        subprocess.run(["sh", "-c", "echo '{}'; cat"], check=True)

    def reads():
        assert sys.stdin.read() == ""
        assert os.read(0, 100) == b""

    def leaves_children():
        for word in ("1", "2"):
            child = subprocess.Popen(["sleep", "600"], start_new_session=word == "2")
            note(f"child{child.pid}")
        subprocess.run(["sh", "-c", "setsid sleep 601 & echo $! > $WILD_NOTES/orphan"], check=True)

    def dies():
        leaves_children()
        os.kill(os.getpid(), 11)

    def holds():
        note("holding")
        ctypes.PyDLL(None).sleep(600)  # PyDLL keeps Python's lock, so no other thread of this process runs

    def wanders():
        os.chdir("/")

    def cancels():
        raise asyncio.CancelledError  # no Exception

    def hangs():
        note("hanging")
        time.sleep(600)

    def swallows():
        note("hanging")
        for _ in range(3):
            try:
                time.sleep(600)
            except BaseException:
                pass

    def act(what):
        globals()[dict(json.loads(os.environ.get("WILD", "{}"))).get(what, "wanders")]()

    class Wild(Identity):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            act("init")

        def fit(self, images):
            act("fit")

        def figures(self, images):
            act("figures")
            return {"as it is": images}

    class Proof(frontdef.Certificate):
        statement = "nothing is proved"

        def certify(self, protected, x, y, threat):
            act("certified")
            return torch.zeros(len(x), dtype=torch.bool)

    def measure(protected, x, y, parameters, seed):
        act("metrics")
        return {"brightness": x.flatten(1).mean(1)}

    @frontdef.hookimpl
    def frontdef_defenses():
        yield frontdef.Defense("wild", Wild, certificate=Proof())

    @frontdef.hookimpl
    def frontdef_metrics():
        yield frontdef.Metric("wild", measure)
'''

MATRIX = """
name = "wild"
samples = 8
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 2, lr = 0.01 }]
train_samples = 50
[[defense]]
name = "wild"
[[metric]]
name = "wild"
[[attack]]
family = "fgsm"
eps = [0.1]
"""
COUNT = {"figures": 1, "certified": 1, "metrics": 1, "records": 1}


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"))
    site.install("frontdef-wild", PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site.folder))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site.folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
        registry.clear()
        yield
    registry.clear()
    sys.modules.pop("frontdef_wild", None)


@pytest.fixture
def notes(tmp_path, monkeypatch):
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("WILD_NOTES", str(folder))
    return folder


def behave(monkeypatch, **how):
    import json

    monkeypatch.setenv("WILD", json.dumps(how))


def go(out, text=MATRIX, **settings):
    plan, summary = run_matrix(text, out, **settings)
    tables = {job.key: job.table.name for job in plan.jobs}
    return Counter(tables[key] for key in summary.ran), Counter(tables[key] for key in summary.failed)


def errors(out):
    return [failure["error"] for failure in frontdef.load_results(out).failures()]


def gone(process):
    """Whether a process has ended, within a few seconds."""
    for _ in range(500):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_a_plugin_that_changes_the_directory_does_not_move_the_run(tmp_path, monkeypatch):
    """Every method of it does, and the run folder, the cache and the data are given as relative paths."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRONTDEF_CACHE", "models")
    monkeypatch.setenv("FRONTDEF_DATA", "data")
    ran, failed = go(Path("runs/wild"))
    assert (ran, failed) == (COUNT, {})
    assert Path.cwd() == tmp_path
    assert list((tmp_path / "models").glob("*.safetensors"))
    assert len(list((tmp_path / "runs" / "wild" / "records").iterdir())) == 2


def test_what_is_no_exception_costs_its_own_job(tmp_path, monkeypatch):
    behave(monkeypatch, metrics="cancels", certified="cancels", figures="cancels")
    ran, failed = go(tmp_path / "run")
    assert (ran, failed) == ({"records": 1}, {"figures": 1, "certified": 1, "metrics": 1})
    assert all("CancelledError" in error for error in errors(tmp_path / "run"))
    behave(monkeypatch, init="cancels")
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path / "models"))
    assert go(tmp_path / "init") == ({}, COUNT)


def test_a_worker_answers_and_obeys_nobody_else_and_leaves_nobody_behind(tmp_path, monkeypatch, notes):
    behave(monkeypatch, figures="writes", certified="reads", metrics="leaves_children")
    assert go(tmp_path / "run", jobs=1) == (COUNT, {})
    children = [path.name.removeprefix("child") for path in notes.glob("child*")]
    assert len(children) == 2
    assert all(gone(child) for child in (*children, (notes / "orphan").read_text().strip()))


@pytest.mark.slow
def test_a_process_that_dies_costs_its_job_and_takes_its_children_along(tmp_path, monkeypatch, notes):
    behave(monkeypatch, figures="dies")
    ran, failed = go(tmp_path / "run", jobs=1)
    assert (ran, failed) == ({"certified": 1, "metrics": 1, "records": 1}, {"figures": 1})
    assert errors(tmp_path / "run") == ["ProcessDied: the job ended its process with signal 11 (SIGSEGV)"]
    assert all(gone(path.name.removeprefix("child")) for path in notes.glob("child*"))
    assert gone((notes / "orphan").read_text().strip())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["init", "fit"])
def test_the_time_limit_holds_for_what_a_model_needs_before_it_can_be_attacked(tmp_path, monkeypatch, notes, method):
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path / "models"))
    behave(monkeypatch, **{method: "hangs"})
    assert go(tmp_path / "run", time_limit=2) == ({}, COUNT)
    assert all("TimeLimit: killed after 2 s" in error for error in errors(tmp_path / "run"))


def test_a_worker_ends_with_its_parent_whatever_it_holds(tmp_path, monkeypatch, notes):
    """The driver is killed while a worker is in a library that never lets another thread of it run."""
    behave(monkeypatch, figures="holds")
    driver = os.fork()
    if not driver:
        go(tmp_path / "run", jobs=1)
        os._exit(0)
    deadline = time.monotonic() + 600
    while not (notes / "holding").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    worker = int((notes / "holding").read_text())
    os.kill(driver, signal.SIGKILL)
    os.waitpid(driver, 0)
    assert gone(worker)
    behave(monkeypatch)
    assert go(tmp_path / "run") == (COUNT, {})


def interrupted(tmp_path, notes, *options):
    """Exit code and standard error of `frontdef run` that is interrupted while a plugin hangs."""
    (tmp_path / "wild.toml").write_text(MATRIX)
    words = ["run", str(tmp_path / "wild.toml"), "--out", str(tmp_path / "run"), *options]
    process = fork(lambda: main(words), tmp_path / "errors")
    deadline = time.monotonic() + 600
    while not (notes / "hanging").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process, signal.SIGINT)
    return wait(process), (tmp_path / "errors").read_text()


def test_ctrl_c_ends_a_run_that_swallows_it(tmp_path, monkeypatch, notes):
    monkeypatch.setattr(interrupt, "GRACE", 0.5)
    behave(monkeypatch, figures="swallows")
    code, said = interrupted(tmp_path, notes)
    assert code == 130
    assert "Traceback" not in said


@pytest.mark.slow
def test_ctrl_c_ends_a_run_in_processes_and_no_worker_has_a_word(tmp_path, monkeypatch, notes):
    behave(monkeypatch, figures="hangs")
    code, said = interrupted(tmp_path, notes, "--jobs", "1")
    assert code == 130
    assert "jobs are kept" in said
    assert "Traceback" not in said
    assert gone((notes / "hanging").read_text())
