"""Several machines, one plan: shares are disjoint and balanced, and folders are joined only where they fit."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdef.cli import main
from frontdef.errors import ConfigError, StoreError
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.matrix.tables import CERTIFIED
from frontdef.runs.integrity import inspect
from frontdef.runs.job import Job
from frontdef.runs.merge import merge
from frontdef.runs.results import load_results
from frontdef.runs.shard import OVERSPLIT, Shard
from frontdef.runs.store import Store, encode
from frontdef.runs.table import Rows
from tests.quiet import run_matrix

MATRIX = """
name = "shared"
samples = 16
classifiers = ["fc2"]
libraries = ["native"]
train_samples = 200
recipe = [{ epochs = 1, lr = 0.01 }]
[[defense]]
name = "none"
[[defense]]
name = "none"
label = "other"
recipe = [{ epochs = 2, lr = 0.01 }]
[[attack]]
family = "fgsm"
eps = [0.1, 0.2, 0.3]
"""


@dataclass(frozen=True)
class Weighed(Job):
    """A job of a model that asks for some passes."""

    number: int
    model: str
    passes: float | None = 1.0

    table = CERTIFIED
    place = ("", "")

    @property
    def models(self) -> tuple[Any, ...]:
        return (SimpleNamespace(key=lambda: self.model),) if self.model else ()

    def decides(self) -> Mapping[str, Any]:
        return {"number": self.number}

    def describe(self) -> Mapping[str, Any]:
        return {"number": self.number}

    def run(self, inventory: Any) -> Rows:
        raise NotImplementedError


plans = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "c", "d"]), st.one_of(st.none(), st.floats(1, 1e6))),
    min_size=1,
    max_size=60,
).map(lambda rows: [Weighed(i, model, passes) for i, (model, passes) in enumerate(rows)])


@given(plans, st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_shards_are_disjoint_whole_and_balanced(jobs, count):
    shards = [Shard(i, count).of(jobs) for i in range(1, count + 1)]
    numbers = [job.number for shard in shards for job in shard]
    assert sorted(numbers) == [job.number for job in jobs]
    assert [Shard(i, count).of(jobs) for i in range(1, count + 1)] == shards
    weights = [job.passes or 1.0 for job in jobs]
    fair = sum(weights) / count
    for shard in shards:
        assert sum(job.passes or 1.0 for job in shard) <= fair + max(fair / OVERSPLIT, *weights) * (1 + 1e-9)
        assert [job.number for job in shard] == sorted(job.number for job in shard)


@given(plans, st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_a_light_model_stays_in_one_shard(jobs, count):
    total = sum(job.passes or 1.0 for job in jobs)
    for model in {job.model for job in jobs}:
        if sum(job.passes or 1.0 for job in jobs if job.model == model) <= total / (OVERSPLIT * count) * (1 - 1e-9):
            holders = [i for i in range(count) if any(job.model == model for job in Shard(i + 1, count).of(jobs))]
            assert len(holders) == 1


def test_more_shares_than_jobs_cost_nothing():
    jobs = [Weighed(i, "", 1.0) for i in range(3)]
    assert [len(Shard(i, 999_999_999).of(jobs)) for i in (1, 2, 3, 4, 999_999_999)] == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/2/3", ""])
def test_a_shard_that_is_none_is_explained(text):
    with pytest.raises(ConfigError, match="shard"):
        Shard.parse(text)


def go(out: Path, text: str = MATRIX, **options):
    plan, summary = run_matrix(text, out, **options)
    return plan, summary


@pytest.fixture(scope="module")
def shards(tmp_path_factory, cache):
    """A plan whole, and in two shares."""
    folder = tmp_path_factory.mktemp("shards")
    os.environ["FRONTDEF_CACHE"] = str(cache)
    plan, _ = go(folder / "whole")
    ran = [go(folder / f"shard{i}", shard=Shard(i, 2))[1].ran for i in (1, 2)]
    assert all(ran)
    assert sorted([*ran[0], *ran[1]]) == sorted(job.key for job in plan.jobs)
    return folder


def contents(folder: Path) -> dict[str, Any]:
    results = load_results(folder)
    return {
        job.entry.key: (results.rows(job), {**job.about, "wall": 0, "seconds": 0})
        for job in results.jobs
        if job.status == "ok"
    }


def test_merged_shards_are_the_whole(shards, tmp_path):
    merged = merge([shards / "shard1", shards / "shard2"], tmp_path / "all")
    assert (merged.missing, merged.failed, merged.unequal) == (0, 0, ())
    assert contents(tmp_path / "all") == contents(shards / "whole")
    audit = inspect(Store(tmp_path / "all"))
    assert (audit.damaged, audit.missing, audit.unnamed) == ((), 0, ())
    assert not go(tmp_path / "all")[1].ran
    again = merge([shards / "shard2", shards / "shard1"], tmp_path / "all")
    assert again.copied == 0


def test_a_shard_that_comes_later_is_added(shards, tmp_path):
    first = merge([shards / "shard1"], tmp_path / "all")
    assert first.missing
    assert merge([shards / "shard2"], tmp_path / "all").missing == 0


def test_the_same_command_with_its_shard_does_nothing_again(shards):
    _, summary = go(shards / "shard1", shard=Shard(1, 2))
    assert not summary.ran
    assert summary.cached


def changed(folder: Path, out: Path, **values) -> Path:
    """A copy of a run folder whose head says something else."""
    shutil.copytree(folder, out)
    store = Store(out)
    store.write_head(store.require_head().model_copy(update=values))
    return out


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"codes": {"frontdef": "another"}}, "frontdef is .* here and .*another.* there"),
        ({"frontdef": "9.9"}, "9.9"),
        ({"radii": {"linf": (0.3,)}}, "radii differs"),
        ({"jobs": ()}, "jobs differs"),
        ({"device": "cuda"}, "device differs"),
    ],
)
def test_folders_that_do_not_belong_together_are_refused(shards, tmp_path, values, words):
    stranger = changed(shards / "shard2", tmp_path / "stranger", **values)
    with pytest.raises(StoreError, match=words):
        merge([shards / "shard1", stranger], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_folder_that_another_plan_filled_is_not_merged_into(shards, tmp_path):
    stranger = changed(shards / "shard2", tmp_path / "stranger", jobs=())
    with pytest.raises(StoreError, match="jobs differs"):
        merge([shards / "shard1"], stranger)


def test_a_damaged_shard_is_refused(shards, tmp_path):
    shutil.copytree(shards / "shard2", tmp_path / "damaged")
    path = next((tmp_path / "damaged" / "records").glob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        merge([shards / "shard1", tmp_path / "damaged"], tmp_path / "all")


def test_a_model_that_came_out_differently_on_two_machines_is_refused(shards, tmp_path):
    """The keys of the jobs are the same then: only the weights tell."""
    shutil.copytree(shards / "whole", tmp_path / "other")
    plan = make_plan(parse_matrix(MATRIX))
    store = Store(tmp_path / "other")
    for job in plan.of("records"):
        rows, about = store.read("records", job.key)
        data = encode(job.table, job.key, Rows(rows.to_pydict(), {**about, "weights": "of another training"}))
        store.path("records", job.key).write_bytes(data)
    with pytest.raises(StoreError, match="other weights"):
        merge([shards / "shard1", tmp_path / "other"], tmp_path / "all")


def with_loss(folder: Path, out: Path, loss: float) -> str:
    """A copy of a run folder in which one job has another loss; returns the job in words."""
    shutil.copytree(folder, out)
    job = make_plan(parse_matrix(MATRIX)).of("records")[0]
    store = Store(out)
    rows, about = store.read("records", job.key)
    columns = {**rows.to_pydict(), "loss_adv": [loss] * len(rows)}
    store.path("records", job.key).write_bytes(encode(job.table, job.key, Rows(columns, about)))
    return str(job)


def test_rows_that_differ_are_named_and_the_first_are_kept(shards, tmp_path):
    job = with_loss(shards / "whole", tmp_path / "other", 7.0)
    merged = merge([shards / "whole", tmp_path / "other"], tmp_path / "all")
    assert merged.unequal == (job,)
    assert contents(tmp_path / "all") == contents(shards / "whole")


def test_rows_that_differ_from_those_that_were_merged_before_are_named_too(shards, tmp_path):
    job = with_loss(shards / "whole", tmp_path / "other", 7.0)
    merge([shards / "whole"], tmp_path / "all")
    assert merge([tmp_path / "other"], tmp_path / "all").unequal == (job,)
    assert contents(tmp_path / "all") == contents(shards / "whole")


def test_what_is_not_a_number_in_both_folders_is_no_difference(shards, tmp_path):
    for name in ("one", "other"):
        with_loss(shards / "whole", tmp_path / name, math.nan)
    assert merge([tmp_path / "one", tmp_path / "other"], tmp_path / "all").unequal == ()


def test_the_command_line_shares_and_merges(shards, tmp_path):
    ran = CliRunner().invoke(main, ["run", "--shard", "0/2"])
    assert ran.exit_code == 2
    assert "counted from 1" in ran.output
    ran = CliRunner().invoke(
        main, ["merge", str(shards / "shard1"), str(shards / "shard2"), "--out", str(tmp_path / "a b")]
    )
    assert ran.exit_code == 0, ran.output
    assert "0 missing" in ran.output
    assert load_results(tmp_path / "a b").head.command.endswith(f"--out '{tmp_path}/a b'")
