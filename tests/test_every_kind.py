"""What holds for one kind of job holds for all: only, overwrite, failures, retry, processes, time limits."""

from __future__ import annotations

import ast
import os
import re
import sys
import typing
from collections import Counter
from pathlib import Path

import pytest

import frontdef
from frontdef import lazy, registry, runs
from frontdef.analysis.study import Study
from frontdef.analysis.tables import MEASURES
from frontdef.analysis.tables import TABLES as STUDY
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.matrix.tables import KINDS, TABLES
from frontdef.runs import kind
from frontdef.runs.results import Results
from frontdef.runs.store import Store
from tests.plugins.conftest import Site
from tests.quiet import run_matrix

PLUGIN = """
    import os, pathlib, subprocess, time
    import torch
    import frontdef
    from frontdef.frontend import Identity

    def mood():
        return os.environ.get("MOODY", "")

    def act(what):
        if mood() == "raises":
            raise RuntimeError(f"{what} is out of luck")
        if mood() == "exits":
            raise SystemExit(3)
        if mood() == "hangs":
            child = subprocess.Popen(["sleep", "600"])
            pathlib.Path(os.environ["MOODY_CHILDREN"]).joinpath(str(child.pid)).touch()
            time.sleep(600)

    class Moody(Identity):
        def figures(self, images):
            act("figures")
            return {"as it is": images}

    class Proof(frontdef.Certificate):
        statement = "nothing is proved"

        def certify(self, protected, x, y, threat):
            act("certificate")
            return torch.zeros(len(x), dtype=torch.bool)

    def measure(protected, x, y, parameters, seed):
        act("metric")
        return {"brightness": x.flatten(1).mean(1)}

    @frontdef.hookimpl
    def frontdef_defenses():
        yield frontdef.Defense("moody", Moody, certificate=Proof())

    @frontdef.hookimpl
    def frontdef_metrics():
        yield frontdef.Metric("moody", measure)
"""

MATRIX = """
name = "kinds"
samples = 12
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 1, lr = 0.01 }]
train_samples = 100
diagnose = ["linf"]
diagnose_samples = 10
[[defense]]
name = "moody"
[[metric]]
name = "moody"
[[attack]]
family = "fgsm"
eps = [0.1]
"""
COUNT = {"figures": 1, "certified": 1, "diagnoses": 1, "metrics": 1, "records": 1}
MOODS = {"figures", "certified", "metrics"}
"""Tables whose jobs the plugin spoils; a diagnosis asks the certificate, too."""


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory):
    """The plugin, installed for this process and for the workers that it starts."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.install("frontdef-moody", PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site.folder))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site.folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
        registry.clear()
        yield
    registry.clear()
    sys.modules.pop("frontdef_moody", None)


def go(out, text=MATRIX, **settings):
    return run_matrix(text, out, **settings)


def stored(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("*/*.parquet")}


def alive(pid):
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def by_table(plan, keys):
    return Counter(plan.by_key[key].table.name for key in keys)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("kinds") / "run"
    plan, summary = go(out)
    assert by_table(plan, summary.ran) == COUNT
    assert set(COUNT) == {table.name for table in TABLES}
    return out


@pytest.mark.parametrize("table", COUNT)
def test_only_runs_what_it_names_and_nothing_else(tmp_path, table):
    plan, summary = go(tmp_path / "run", only=(table,))
    assert by_table(plan, summary.ran) == {table: COUNT[table]}
    assert {path.parent.name for path in stored(tmp_path / "run")} == {table}


def test_a_diagnosis_spends_what_the_matrix_allows_it(tmp_path):
    budget = {"steps": 10, "restarts": 2, "noise": 3, "queries": 20, "passes": 2, "directions": 4, "inner": 9}
    text = f"diagnose_budget = {{ {', '.join(f'{name} = {value}' for name, value in budget.items())} }}\n" + MATRIX
    out = tmp_path / "run"
    go(out, text, only=("diagnoses",))
    results = frontdef.load_results(out)
    (diagnosis,) = results.diagnoses()
    assert diagnosis["reasons"]
    assert "reasons" not in results.jobs_of("diagnoses")[0].about
    assert {name: diagnosis["budget"][name] for name in budget} == budget
    (usual,), (cut,) = (make_plan(parse_matrix(source)).of("diagnoses") for source in (MATRIX, text))
    assert usual.key != cut.key


def test_only_trains_no_model_that_it_does_not_need(tmp_path):
    text = MATRIX + '[[defense]]\nname = "none"\nrecipe = [{ epochs = 1, lr = 1e30 }]\n'
    plan = make_plan(parse_matrix(text))
    (metric, _) = plan.of("metrics")
    _, summary = go(tmp_path / "run", text, only=(metric.key[:10],))
    assert (summary.ran, summary.failed) == ([metric.key], [])


@pytest.mark.parametrize("table", COUNT)
def test_overwrite_runs_every_kind_again(finished, table):
    before = stored(finished)
    plan, summary = go(finished, only=(table,), overwrite=True)
    assert by_table(plan, summary.ran) == {table: COUNT[table]}
    changed = {path.parent.name for path, when in stored(finished).items() if before[path] != when}
    assert changed == {table}
    assert go(finished)[1].ran == []


@pytest.mark.parametrize("mood", ["raises", "exits"])
def test_what_goes_wrong_costs_its_own_job_whatever_its_kind(tmp_path, monkeypatch, mood):
    monkeypatch.setenv("MOODY", mood)
    plan, summary = go(tmp_path / "run")
    assert by_table(plan, summary.failed) == {"figures": 1, "certified": 1, "metrics": 1, "diagnoses": 1}
    assert by_table(plan, summary.ran) == {"records": 1}
    errors = [failure["error"] for failure in frontdef.load_results(tmp_path / "run").failures()]
    assert all("is out of luck" in error or "SystemExit: 3" in error for error in errors)
    assert go(tmp_path / "run")[1].ran == [], "a failure is not retried unasked"
    monkeypatch.setenv("MOODY", "")
    Store(tmp_path / "run").forget_failures(summary.failed)
    assert sorted(go(tmp_path / "run")[1].ran) == sorted(summary.failed)
    assert frontdef.load_results(tmp_path / "run").failures() == []


def test_a_training_that_fails_fails_every_job_of_its_model(tmp_path):
    text = MATRIX.replace("lr = 0.01", "lr = 1e30")
    plan, summary = go(tmp_path / "run", text)
    assert by_table(plan, summary.failed) == COUNT
    metrics = text.partition("[[attack]]")[0].replace('diagnose = ["linf"]', "")
    plan, summary = go(tmp_path / "metrics", metrics, only=("metrics",))
    assert by_table(plan, summary.failed) == {"metrics": 1}, "a matrix of metrics alone fails, too"


def test_processes_run_every_kind_and_its_time_limit_holds(tmp_path, monkeypatch, finished):
    children = tmp_path / "children"
    children.mkdir()
    monkeypatch.setenv("MOODY", "hangs")
    monkeypatch.setenv("MOODY_CHILDREN", str(children))
    plan, summary = go(tmp_path / "run", only=tuple(MOODS), jobs=len(MOODS), time_limit=10)
    assert by_table(plan, summary.failed) == dict.fromkeys(MOODS, 1)
    errors = [failure["error"] for failure in frontdef.load_results(tmp_path / "run").failures()]
    assert all("TimeLimit: killed after 10 s" in error for error in errors)
    started = [path.name for path in children.iterdir()]
    assert len(started) == len(errors)
    assert not any(alive(pid) for pid in started), "what a job started ends with it"
    monkeypatch.setenv("MOODY", "")
    Store(tmp_path / "run").forget_failures(summary.failed)
    plan, summary = go(tmp_path / "run", jobs=1)
    assert not summary.failed
    here, there = frontdef.load_results(tmp_path / "run"), frontdef.load_results(finished)
    for table in COUNT:
        mine, theirs = (results.table(table).drop(columns=["cell"], errors="ignore") for results in (here, there))
        assert mine.equals(theirs), table


def test_every_kind_of_job_stands_in_one_table_of_kinds():
    for reference, table in KINDS.items():
        asked = typing.get_type_hints(lazy.resolve(reference))
        (job,) = typing.get_args(asked["return"])
        assert job.table is table, reference
    for name, measure in MEASURES.items():
        assert callable(lazy.resolve(measure.of)), name
        assert set(measure.settings) <= set(Study.model_fields), name
    assert set(STUDY) == {*MEASURES, "partial"}


def test_who_runs_jobs_names_no_kind_beside_the_table_of_kinds():
    """References are strings, which the contract on imports does not see."""
    reference = re.compile(r"frontdef\.(matrix|analysis|report|claim)\S*:\w+")
    named = [
        (file.name, node.value)
        for file in Path(runs.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and reference.fullmatch(str(node.value))
    ]
    assert named == [("kind.py", reference) for reference in kind.KINDS.values()]


@pytest.mark.parametrize("name", kind.KINDS)
def test_what_only_one_kind_of_run_is_asked_stands_with_it(name):
    kept = lazy.resolve(kind.get_kind(name).results)
    assert issubclass(kept, Results)
    assert kept.__module__.startswith(kind.KINDS[name].rpartition(".")[0])
    named = [table.name for table in (*kind.get_kind(name).tables, *kind.get_kind(name).views)]
    assert not [asked for asked in named if hasattr(Results, asked)]
    assert not {"brackets", "beliefs", "agreement", "worst", "models"} & set(dir(Results))
