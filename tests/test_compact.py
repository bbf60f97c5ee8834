"""Many small files into few: the same rows, the same checks, and no moment at which a reader finds less."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from frontdef.cli import main
from frontdef.errors import StoreError
from frontdef.matrix.tables import RECORDS
from frontdef.runs import packs
from frontdef.runs.compact import compact
from frontdef.runs.head import Head, JobEntry
from frontdef.runs.integrity import inspect
from frontdef.runs.merge import merge
from frontdef.runs.results import load_results
from frontdef.runs.store import Store, encode
from frontdef.runs.table import Rows

CELLS = 12
SAMPLES = 5


def key(number: int) -> str:
    return f"{number:024x}"


def rows(number: int, samples: int = SAMPLES) -> Rows:
    """The rows of a cell; no two cells have the same."""
    rng = np.random.default_rng(number)
    blank = {"boolean": np.ones(samples, bool), "double": rng.random(samples), "bigint": rng.integers(0, 10, samples)}
    columns = {name: blank[column.type] for name, column in RECORDS.stored.items()} | {"sample_id": np.arange(samples)}
    return Rows(columns, {"wall": 1.0, "number": number, "call": "drawn"})


def about(number: int) -> dict:
    names = ("dataset", "classifier", "defense", "network", "training", "defense_id", "surrogate", "source")
    said = dict.fromkeys(names, "a") | {"cell": key(number), "family": "pgd", "library": "art", "library_version": "1"}
    return said | {"norm": "linf", "eps": 0.1 * number, "judged_eps": 0.1, "parameters": "{}", "seed": 0}


def filled(root: Path, numbers=range(CELLS)) -> Store:
    """A run of twelve cells, of which some are done."""
    entries = tuple(JobEntry(key=key(i), table="records", what=f"cell {i}", about=about(i)) for i in range(CELLS))
    store = Store(root)
    store.write_head(Head(jobs=entries, radii={"linf": (0.1,)}))
    for number in numbers:
        store.write("records", key(number), encode(RECORDS, key(number), rows(number)), {})
    return Store(root)


def files(root: Path) -> list[Path]:
    return sorted(path for path in (root / "records").rglob("*") if path.is_file())


@pytest.fixture
def no_tensors(monkeypatch):
    """The rows of these cells stand alone, without examples."""
    monkeypatch.setitem(RECORDS.__dict__, "tensors", False)


@pytest.fixture
def run(tmp_path, no_tensors):
    return filled(tmp_path / "run", range(CELLS - 2))


def test_a_compacted_run_that_lost_its_run_json_is_no_folder_of_somebody_else(run):
    compact(run)
    head = run.require_head()
    (run.root / "run.json").unlink()
    Store(run.root).write_head(head)
    assert len(Store(run.root).done("records")) == CELLS - 2


@pytest.mark.parametrize("step", ["__init__", "load"])
def test_a_pack_that_is_written_anew_while_it_is_read_is_found_again(run, monkeypatch, step):
    """As by a compaction after jobs were run again, or by a job that fails now."""
    compact(run)
    run.write("records", key(0), encode(RECORDS, key(0), rows(0)), {})
    before = load_results(run.root).records().sort_values(["cell", "sample_id"], ignore_index=True)
    done = getattr(packs.Pack, step)
    others = []

    def first_another(pack, *args):
        monkeypatch.setattr(packs.Pack, step, done)
        others.append(Store(run.root))
        others[0].packs.drop("records", [key(0)])
        return done(pack, *args)

    monkeypatch.setattr(packs.Pack, step, first_another)
    after = load_results(run.root).records().sort_values(["cell", "sample_id"], ignore_index=True)
    assert after.equals(before)
    assert others


def test_what_is_not_a_number_is_packed_as_it_is(run):
    """A metric has no value where it does not apply, and Arrow calls two tables with such a value different."""
    drawn = rows(0)
    blank = Rows({**drawn.columns, "margin": np.array([np.nan, 1.0, -np.inf, np.nan, 0.0])}, drawn.about)
    run.write("records", key(0), encode(RECORDS, key(0), blank), {})
    before = load_results(run.root).records()
    assert before.margin.isna().sum() == 2
    assert compact(run).packs == 1
    assert load_results(run.root).records().equals(before)


def test_few_files_hold_what_many_held(run):
    before, outcomes = load_results(run.root).records(), load_results(run.root).outcomes()
    done = compact(run)
    assert (done.files, done.packs, len(files(run.root))) == (CELLS - 2, 1, 1)
    results = load_results(run.root)
    assert results.records().equals(before)
    assert results.outcomes().equals(outcomes)
    assert [job.status for job in results.jobs] == ["ok"] * (CELLS - 2) + ["missing"] * 2
    for number in range(CELLS - 2):
        stored, said = results.store.read("records", key(number))
        assert stored.to_pydict() == {name: list(values) for name, values in rows(number).columns.items()}
        assert said == rows(number).about
    audit = inspect(Store(run.root))
    assert (audit.damaged, audit.missing, audit.unnamed) == ((), 2, ())


def test_resume_knows_what_is_packed(run):
    compact(run)
    store = Store(run.root)
    assert store.done("records") == {key(number) for number in range(CELLS - 2)}
    assert store.has("records", key(0))
    assert not store.has("records", key(CELLS - 1))


def test_compacting_again_takes_only_what_is_new(run):
    compact(run)
    assert compact(Store(run.root)).files == 0
    for number in (CELLS - 2, CELLS - 1):
        run.write("records", key(number), encode(RECORDS, key(number), rows(number)), {})
    assert compact(Store(run.root)).files == 2
    whole = filled(run.root.parent / "whole")
    assert load_results(run.root).records().equals(load_results(whole.root).records())


def test_a_large_plan_makes_several_packs(run, monkeypatch):
    monkeypatch.setattr(packs, "ROWS", 2 * SAMPLES)
    before = load_results(run.root).records()
    assert compact(run).packs == (CELLS - 2) / 2
    assert load_results(run.root).records().equals(before)


def test_a_job_that_was_run_again_goes_before_its_pack(run):
    compact(run)
    run.write("records", key(3), encode(RECORDS, key(3), rows(99)), {})
    assert Store(run.root).about("records", key(3))["number"] == 99
    assert load_results(run.root).jobs[3].about["number"] == 99
    run.write("records", key(4), encode(RECORDS, key(4), rows(98)), {})
    compact(Store(run.root))
    assert [load_results(run.root).jobs[i].about["number"] for i in (2, 3, 4, 5)] == [2, 99, 98, 5]
    assert not inspect(Store(run.root)).damaged


def test_a_failure_takes_an_older_result_out_of_its_pack(run):
    compact(run)
    run.write_failure("records", key(3), "cell 3", "ValueError")
    assert Store(run.root).failed(key(3))
    Store(run.root).forget_failures([key(3)])
    assert not Store(run.root).has("records", key(3))
    assert Store(run.root).about("records", key(2))["number"] == 2


@pytest.mark.parametrize("where", [0.1, 0.4, 0.7, 0.95, 0.999])
def test_a_flipped_bit_in_a_pack_is_named(run, where):
    compact(run)
    path = files(run.root)[0]
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 4
    path.write_bytes(data)
    assert inspect(Store(run.root)).damaged
    with pytest.raises(StoreError, match=r"damaged .*delete it, and its jobs are run again"):
        load_results(run.root).records()


def test_a_pack_of_another_table_is_not_believed(run):
    compact(run)
    path = files(run.root)[0]
    (run.root / "certified" / "packs").mkdir(parents=True)
    shutil.copy(path, run.root / "certified" / "packs" / path.name)
    with pytest.raises(StoreError, match="holds records"):
        Store(run.root).done("certified")


def test_a_damaged_file_is_not_packed(run):
    path = run.path("records", key(2))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match="damaged"):
        compact(run)
    assert run.path("records", key(0)).is_file()


def test_readers_find_every_job_at_every_moment(run, monkeypatch):
    """After each file that is deleted or renamed, a new reader looks, and one that knows the folder of old."""
    known, moments = Store(run.root), []
    wanted = [rows(number).about for number in range(CELLS - 2)]

    def look() -> None:
        for store in (known, Store(run.root)):
            assert [store.about("records", key(number)) for number in range(CELLS - 2)] == wanted
            assert store.done("records") >= {key(number) for number in range(CELLS - 2)}
        moments.append(1)

    for name in ("replace", "unlink"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, **options: (real(*args, **options), look())[0])
    monkeypatch.setattr(packs, "ROWS", 3 * SAMPLES)
    compact(run)
    assert len(moments) > CELLS


KILLED = """
import os, signal, sys
from pathlib import Path
from tests import test_compact
from frontdef.matrix.tables import RECORDS
from frontdef.runs import packs
from frontdef.runs.compact import compact
from frontdef.runs.store import Store
RECORDS.__dict__["tensors"] = False
packs.ROWS = 10
left = int(sys.argv[2])
for name in ("replace", "unlink"):
    def kill(*args, real=getattr(os, name), **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    setattr(os, name, kill)
compact(Store(Path(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("writes", range(0, 15, 2))
def test_a_killed_compaction_loses_nothing_and_goes_on(run, writes):
    before = load_results(run.root).records()
    code = textwrap.dedent(KILLED)
    killed = subprocess.run([sys.executable, "-c", code, str(run.root), str(writes)], cwd=Path(__file__).parents[1])
    assert killed.returncode == -signal.SIGKILL
    assert load_results(run.root).records().equals(before)
    assert not inspect(Store(run.root)).damaged
    compact(Store(run.root))
    assert load_results(run.root).records().equals(before)
    audit = inspect(Store(run.root))
    assert (audit.damaged, audit.missing, audit.unnamed) == ((), 2, ())


def test_packed_folders_are_merged(run, tmp_path):
    compact(run)
    other = filled(tmp_path / "other", range(CELLS - 2, CELLS))
    merged = merge([run.root, other.root], tmp_path / "all")
    assert (merged.copied, merged.missing, merged.unequal) == (CELLS, 0, ())
    whole = filled(tmp_path / "whole")
    assert load_results(tmp_path / "all").records().equals(load_results(whole.root).records())
    assert not inspect(Store(tmp_path / "all")).damaged


def test_the_command_says_what_it_did(run):
    said = CliRunner().invoke(main, ["compact", str(run.root)])
    assert said.exit_code == 0, said.output
    assert "10 files are 1 now" in said.output


def test_nobody_else_writes_meanwhile(run):
    with run.hold(), pytest.raises(StoreError, match="being written by"):
        compact(Store(run.root))
