"""`results --sql` is read-only and alone, and each question ends."""

from __future__ import annotations

import io
import os
import re
import signal
import threading

import pytest

from frontdef.cli.console import PlainConsole
from frontdef.cli.tables import print_frame
from frontdef.errors import StoreError
from frontdef.matrix.tables import CERTIFIED
from frontdef.runs import query as queries
from frontdef.runs.results import load_results
from tests.hostile.test_stored import GOOD, MODEL
from tests.run_writer import RunWriter


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("sql") / "run"
    writer = RunWriter(root)
    writer.add(CERTIFIED, "a", MODEL, GOOD)
    writer.finish(radii={"linf": [0.1]})
    return load_results(root)


FORBIDDEN = [
    "select * from '/etc/passwd'", "select * from read_csv('/etc/passwd')", "select * from read_text('/etc/passwd')",
    "select * from glob('/*')", "copy certified to 'x.csv'", "attach 'x.db'", "install httpfs", "load httpfs",
    "set memory_limit = '99GB'", "set enable_external_access = true", "export database 'x'", "drop view outcomes",
    "create table x as select 1", "insert into certified values (1)", "select 1; select 2", "prepare p as select 1",
    "pragma database_list", "call pragma_version()", "", "-- nothing", "select", "select '\ud800'",
    "select * from frame",
    "select * from 'https://example.org/x.parquet'", "select getenv('HOME')",
    "copy (select 1) to '/dev/stdout'", "select * from sniff_csv('/etc/passwd')",
]  # fmt: skip


@pytest.mark.parametrize("query", FORBIDDEN)
def test_what_reaches_out_or_changes_anything_is_refused(run, tmp_path, monkeypatch, query):
    monkeypatch.chdir(tmp_path)
    frame = run.certified()
    with pytest.raises(StoreError, match="Tables: "):
        run.sql(query)
    assert not list(tmp_path.iterdir())
    assert len(frame) == run.sql("select count(*) n from certified").n[0]


ALLOWED = [
    "select sum(sample_id) s from certified", "from certified", "values (1)", "explain select 1", "describe outcomes",
    "with x as (select 1 a) select * from x", "select null a, true b, 'x' c",
]  # fmt: skip


@pytest.mark.parametrize("query", ALLOWED)
def test_what_asks_is_answered(run, query):
    assert len(run.sql(query))


ENDLESS = [
    "select count(*) from range(1000000000000)",
    "with recursive r as (select 1 i union all select i + 1 from r) select max(i) from r",
]


@pytest.mark.parametrize("query", ENDLESS)
def test_a_question_without_end_is_stopped_and_the_next_is_answered(run, query):
    with pytest.raises(StoreError, match=r"more than 0\.2 s"):
        queries.ask(run._database, query, 0.2)
    assert len(run.sql("select 1"))


def test_an_answer_that_fills_the_memory_is_refused(run, monkeypatch):
    monkeypatch.setattr(queries, "LARGEST", 10_000_000)
    with pytest.raises(StoreError, match="10,000,000 bytes"):
        run.sql("select * from range(1000000000000)")


def printed(frame):
    console = PlainConsole(file=io.StringIO(), width=80)
    print_frame(console, frame)
    return console.file.getvalue()


def test_an_answer_of_many_columns_is_printed_whole(run):
    """A layout in cubic time would take a quarter of an hour."""
    told = printed(run.sql("select " + ",".join(f"{i} as c{i}" for i in range(1500))))
    assert [*dict.fromkeys(re.findall(r"c(\d+)", told))] == [*map(str, range(1500))]
    assert "left out" not in told


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("select * from range(1000000)", "left out: 995,000 rows"),
        ("select *, 1 a, 2 b, 3 c from range(2000)", "left out: 750 rows"),
        ("select repeat('x', 10000000) a", "left out: 1 text"),
    ],
)
def test_of_a_large_answer_the_beginning_is_printed_and_what_is_left_out_is_said(run, query, says):
    told = printed(run.sql(query))
    assert len(told) < 1_000_000
    assert f"{says}. --csv has all of it" in told


@pytest.fixture
def heard():
    """SIGINT raises, also where pytest was started in the background of a shell, which ignores it there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_control_c_ends_it(run):
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        queries.ask(run._database, ENDLESS[0], 600)
    assert len(run.sql("select 1"))
