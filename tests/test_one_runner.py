"""Two runners on one folder: the second is told who the first is, and neither doubles the work nor changes the run."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from rich.console import Console

from frontdef.errors import StoreError
from frontdef.lock import HeldError, locked, read_holder
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.models.cache import ModelCache
from frontdef.models.request import ModelRequest
from frontdef.runs.progress import PlainProgress
from frontdef.runs.store import Store
from frontdef.stage import Stage
from frontdef.whole import temporary
from tests.quiet import run_matrix

MATRIX = """
name = "small"
samples = 12
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 1, lr = 0.01 }]
train_samples = 100
[[defense]]
name = "none"
[[attack]]
family = "fgsm"
eps = [0.1]
"""


def go(out, **settings):
    return run_matrix(MATRIX, out, **settings)[1]


@contextmanager
def held_elsewhere(path):
    """The lock is held by another process, whose id is given; it is killed afterwards, and then a child of it."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        with locked(path):
            child = os.fork()
            if child:
                os.write(writer, f"{child}".encode())
            time.sleep(600)
    child = int(os.read(reader, 100))
    try:
        yield process
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        with locked(path):
            pass  # the child lives and does not keep it
    finally:
        for member in (process, child):
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path):
    path = tmp_path / "lock"
    with held_elsewhere(path) as process:
        with pytest.raises(HeldError, match=f"process {process} on .*, since 2"), locked(path):
            pass
        assert read_holder(path).process == process
    with locked(path):
        assert read_holder(path).process == os.getpid()
    assert read_holder(path) is None, "who has let go is named no more"


def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(tmp_path):
    with held_elsewhere(tmp_path / "lock"):
        pass


def test_a_second_thread_is_a_second_holder(tmp_path):
    refused = []

    def attempt():
        try:
            with locked(tmp_path / "lock"):
                pass
        except HeldError as error:
            refused.append(str(error))

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}" in refused[0]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"process": "x"}', b"\xff\xfe", b"[" * 100_000])
def test_whatever_stands_in_the_file_of_a_lock_is_no_holder(tmp_path, content):
    path = tmp_path / "lock"
    path.write_bytes(content)
    assert read_holder(path) is None
    with locked(path):
        assert read_holder(path).process == os.getpid()


@pytest.mark.parametrize("settings", [{}, {"overwrite": True}, {"retry": True}, {"only": ("records",)}])
def test_a_second_runner_is_refused_and_changes_nothing(tmp_path, settings):
    out = tmp_path / "run"
    go(out)
    store = Store(out)
    store.write_failure("records", make_plan(parse_matrix(MATRIX)).of("records")[0].key, "a cell", "Traceback")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*") if path.suffix}
    with (
        held_elsewhere(out / ".lock") as process,
        pytest.raises(StoreError, match=f"being written by process {process} on .*wait until it ends, or stop it"),
    ):
        go(out, **settings)
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}


def test_it_can_be_read_meanwhile(tmp_path):
    from frontdef.runs.integrity import inspect
    from frontdef.runs.results import load_results

    out = tmp_path / "run"
    go(out)
    with held_elsewhere(out / ".lock"):
        assert len(load_results(out).records()) == 12
        audit = inspect(Store(out))
        assert (audit.damaged, audit.unnamed) == ((), ())


def test_a_runner_that_was_killed_before_it_said_what_it_does_leaves_a_usable_folder(tmp_path):
    """All that can be there before run.json is: the lock, and run.json under its temporary name."""
    out = tmp_path / "run"
    out.mkdir()
    (out / ".lock").write_text(json.dumps({"process": 1, "host": "gone", "since": "2020"}))
    unfinished = temporary(out / "run.json")
    unfinished.write_bytes(b'{"sha')
    another = unfinished.with_name(".run.json.another-machine.1.tmp")
    another.write_bytes(b"")
    assert not go(out).failed
    assert not list(out.glob("**/.*.tmp"))


def test_who_waits_for_another_trainer_says_so(tmp_path):
    models = ModelCache(tmp_path)
    request = ModelRequest("digits", "fc2", "none", {}, (Stage(epochs=1, lr=1e-2),), 100, 0)
    told = []
    with held_elsewhere(models.path(request).with_suffix(".lock")) as process:

        def release(holder):
            told.append(holder)
            os.kill(process, signal.SIGKILL)

        models.get_or_train(request, waiting=release)
    assert len(told) == 1
    assert told[0].startswith(f"process {process} on ")


def test_the_lines_of_a_run_say_who_is_waited_for(capsys):
    PlainProgress(Console(width=200)).waiting("none on digits", "process 7 on there")
    assert capsys.readouterr().out == "waiting for none on digits: it is being trained by process 7 on there\n"
