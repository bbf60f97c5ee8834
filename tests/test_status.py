"""How far a run is: from its files and its log, while somebody works on it, after, and after they were killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from rich.console import Console

from frontdef.cli import main
from frontdef.errors import StoreError
from frontdef.lock import Holder, locked, read_holder
from frontdef.runs.log import LOG, LoggedProgress, unfinished
from frontdef.runs.progress import PlainProgress
from frontdef.runs.status import status_of
from tests.stored_runs import matrix_run, two_libraries


class Job(SimpleNamespace):
    table = SimpleNamespace(name="records")

    def tell(self, about):
        return "75 %\trobust"

    def note(self, about):
        return ""

    def __str__(self):
        return f"cell\t{self.key}\nof a name with a line break"


def logged(root):
    log = LoggedProgress(PlainProgress(Console(quiet=True)), root)
    log.begin([Job(key="x")], 0)
    return log


def asked(*arguments):
    ended = CliRunner().invoke(main, ["status", *map(str, arguments)])
    assert ended.exit_code == 0, ended.output
    return ended.output


def records(root):
    return status_of([root]).tables["records"]


def test_done_failed_and_left_are_counted(tmp_path):
    count = records(matrix_run(tmp_path / "run"))
    assert (count.asked, count.done, count.failed, count.running, count.left) == (4, 2, 1, 0, 1)
    told = asked(tmp_path / "run")
    assert "5 done, 1 failed, 1 left of 7 jobs" in told
    assert "failed: records c" in told
    assert "nobody works on it: `frontdef run made.toml` goes on with it" in told


def test_what_is_being_run_is_named_while_somebody_works(tmp_path):
    root = matrix_run(tmp_path / "run")
    with locked(root / ".lock"):
        log = logged(root)
        log.started(Job(key="d"))
        assert records(root).running == 1
        assert records(root).left == 0
        told = asked(root)
        assert "cell d of a name with a line break: running for" in told
        assert "nobody works on it" not in told
        said = json.loads(asked(root, "--json"))
        assert (said["running"], said["workers"][0]["alive"], said["workers"][0]["jobs"][0]["key"]) == (1, True, "d")
        log.done(Job(key="d"), {})
        assert unfinished(root) == ()
    assert records(root).left == 1, "a log is no result"


def test_a_runner_that_was_killed_is_not_taken_for_one_that_works(tmp_path):
    root = matrix_run(tmp_path / "run")
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    (root / ".lock").write_text(json.dumps(asdict(replace(Holder.me(), process=dead.pid))))
    logged(root).started(Job(key="d"))
    told = asked(root)
    assert "which has ended" in told
    assert "and not ended" in told
    assert "nobody works on it" in told
    assert records(root).running == 0


def test_of_another_machine_is_said_what_cannot_be_seen(tmp_path):
    root = matrix_run(tmp_path / "run")
    (root / ".lock").write_text(json.dumps(asdict(replace(Holder.me(), host="elsewhere"))))
    logged(root).started(Job(key="d"))
    assert "can't be seen from here" in asked(root)
    assert records(root).running == 1


def test_shards_are_seen_as_one_run(tmp_path):
    cells = two_libraries()
    halves = [
        {key: cell if key in mine else {**cell, "broken": None} for key, cell in cells.items()} for mine in ("ac", "b")
    ]
    roots = [matrix_run(tmp_path / str(i), half) for i, half in enumerate(halves)]
    assert [records(root).done for root in roots] == [1, 1]
    both = status_of(roots).tables["records"]
    assert (both.done, both.failed, both.left) == (2, 1, 1)
    other = matrix_run(tmp_path / "other", {"z": {}})
    with pytest.raises(StoreError, match="no shard of the plan"):
        status_of([roots[0], other])


def test_a_log_that_cannot_be_written_or_read_hinders_nobody(tmp_path):
    root = matrix_run(tmp_path / "run")
    (root / LOG).mkdir()
    logged(root).started(Job(key="d"))
    assert unfinished(root) == ()
    (root / LOG).rmdir()
    (root / LOG).write_bytes(b"\xff\xfe\tstarted\nrubbish\n\t\t\t\n" * 3)
    asked(root)


def test_a_log_that_is_a_link_or_a_pipe_is_left_alone_and_not_waited_for(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    for name, make in (("link", lambda path: path.symlink_to(tmp_path / "thesis.tex")), ("pipe", os.mkfifo)):
        (tmp_path / name).mkdir()
        make(tmp_path / name / LOG)
        logged(tmp_path / name).started(Job(key="d"))
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "lock")
    assert read_holder(tmp_path / "lock") is None


def test_a_line_says_that_a_job_has_begun(capsys):
    progress = PlainProgress(Console(width=200))
    progress.begin([Job(key="x")], 0)
    progress.started(Job(key="x"))
    assert "[1/1] cell" in capsys.readouterr().out


def test_a_terminal_gets_a_grid_that_ends():
    """Rich draws a live grid as soon as it is made; what the grid shows must be there by then."""
    import io

    from rich.console import Console

    from frontdef.runs.progress import LiveProgress, make_progress

    screen = io.StringIO()
    progress = make_progress(Console(file=screen, force_terminal=True, no_color=True, width=160))
    assert isinstance(progress, LiveProgress)
    progress.begin([], 0)
    progress.end()
    assert screen.getvalue().rindex("\x1b[?25h") > screen.getvalue().rindex("already stored"), "the cursor is back"
