"""Stored files that somebody else made, with checksums that are right: refused by name and bounded."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tracemalloc
from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from frontdef import weights
from frontdef.checks.masking.attempts import Attempt
from frontdef.checks.masking.record import Diagnosis
from frontdef.cli import main
from frontdef.errors import FrontdefError, ModelError, StoreError
from frontdef.matrix.tables import CERTIFIED, DIAGNOSES, METRICS, RECORDS
from frontdef.matrix.told import ToldAttempt, ToldDiagnosis
from frontdef.models import saved
from frontdef.models.state import read_state
from frontdef.runs.head import UNSIGNED as UNSIGNED_HEAD
from frontdef.runs.head import Head, digest, dump, parse
from frontdef.runs.results import load_results
from frontdef.runs.sealed import CHECKSUM, UNSIGNED
from frontdef.runs.store import ABOUT, ARROW, Store, decode, encode
from frontdef.runs.table import Rows
from frontdef.tensorfile import TensorFile
from tests.report_sample import diagnosis
from tests.run_writer import RunWriter
from tests.stored_runs import ABOUT as CELL
from tests.stored_runs import matrix_run

MODEL = {"dataset": "d", "classifier": "c", "defense": "none", "norm": "linf", "eps": 0.1}
GOOD = Rows({"sample_id": np.arange(3), "certified": np.ones(3, bool)}, {"statement": "a proof"})


def forged(table: pa.Table, about: object, **settings) -> bytes:
    """A Parquet file whose checksum is right, whatever it holds."""
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, store_schema=False, **settings) as writer:
        writer.write_table(table)
        said = about if isinstance(about, bytes) else json.dumps(about).encode()
        writer.add_key_value_metadata({ABOUT: said, CHECKSUM: UNSIGNED})
    data = buffer.getvalue()
    return data.replace(UNSIGNED, hashlib.sha256(data).hexdigest().encode())


def about(key: str) -> dict:
    return {"table": "certified", "key": key, "about": {}}


def columns(n: int = 3) -> pa.Table:
    values = {"sample_id": np.arange(n), "certified": np.ones(n, bool)}
    return pa.table({name: pa.array(values[name], ARROW[CERTIFIED.columns[name].type]) for name in values})


@pytest.fixture
def run(tmp_path):
    writer = RunWriter(tmp_path / "run")
    writer.add(CERTIFIED, "a", MODEL, GOOD)
    writer.finish(radii={"linf": [0.1]})
    return tmp_path / "run"


def test_millions_of_rows_in_a_small_file_are_not_read():
    data = forged(pa.table({"sample_id": pa.array(np.zeros(20_000_000, np.int64))}), about("a"), compression="zstd")
    assert len(data) < 2_000_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="20,000,000 rows"):
        decode(data, "certified", "a")
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_a_long_text_that_many_rows_share_is_not_repeated():
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_000, np.int32)), pa.array(["a" * 10_000]))
    data = forged(pa.table({"sample_id": texts.cast(pa.dictionary(pa.int32(), pa.string()))}), about("a"))
    assert len(data) < 100_000
    with pytest.raises(ValueError, match="bytes of text"):
        decode(data, "certified", "a")


FORGED = {
    "other columns": forged(pa.table({"x": [1]}), about("a")),
    "another type": forged(pa.table({"sample_id": ["1"], "certified": [True]}), about("a")),
    "a column twice": forged(columns().append_column("certified", pa.array([True] * 3)), about("a")),
    "another key": forged(columns(), about("b")),
    "nothing said": forged(columns(), {}),
    "said as a list": forged(columns(), [1, 2]),
    "said as a list inside": forged(columns(), {**about("a"), "about": [1]}),
    "no JSON": forged(columns(), b"{"),
    "no UTF-8": forged(columns(), b"\xff\xfe"),
    "deep JSON": forged(columns(), b"[" * 100_000 + b"]" * 100_000),
    "digits": forged(columns(), b'{"key": ' + b"9" * 5_000 + b"}"),
    "no Parquet": b"PAR1" + bytes(100) + b"PAR1",
    "empty": b"",
    "half": forged(columns(), about("a"))[:200],
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_rows_are_refused_by_name(run, case):
    (run / "certified" / "a.parquet").write_bytes(FORGED[case])
    with pytest.raises(StoreError, match=r"a\.parquet"):
        load_results(run).certified()
    ended = CliRunner().invoke(main, ["results", str(run)])
    assert ended.exit_code == 2
    assert "a.parquet" in ended.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "fine"},
        {"eps": "large"},
        {"broke": [1]},
        {"attempts": [{"name": "pgd"}]},
        {"cost": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_diagnosis_that_tells_something_else_is_refused_by_name(tmp_path, changes):
    rows = diagnosis()
    writer = RunWriter(tmp_path / "run")
    writer.add(DIAGNOSES, "a", MODEL, replace(rows, about={**rows.about, **changes}))
    writer.finish(radii={"linf": [0.1]})
    ended = CliRunner().invoke(main, ["results", str(tmp_path / "run")])
    assert ended.exit_code == 2
    assert "a.parquet" in ended.stderr
    assert next(iter(changes)) in ended.stderr


def test_what_is_read_back_of_a_diagnosis_is_what_it_tells():
    told = {each.name for each in fields(Diagnosis)} - {"findings"} | {"broke"}
    assert ToldDiagnosis.model_fields.keys() == told
    assert ToldAttempt.model_fields.keys() == {each.name for each in fields(Attempt)}


def signed(**values) -> bytes:
    whole = {**json.loads(dump(Head())), **values}
    del whole["sha256"]
    return json.dumps({"sha256": digest(whole), **whole}).encode()


HEADS = {
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"1",
    "deep": b"[" * 100_000,
    "deep inside": b'{"format": 2, "document": ' + b"[" * 900 + b"]" * 900 + b"}",
    "digits": b'{"format": ' + b"9" * 5_000 + b"}",
    "Latin-1": b'{"format": "\xe9"}',
    "another format": signed(format=99),
    "unknown field": signed(nothing=1),
    "a key that is a path": signed(jobs=[{"key": "../../x", "table": "records", "what": "x"}]),
    "a table that is a path": signed(jobs=[{"key": "x", "table": "..", "what": "x"}]),
    "samples that are a path": signed(samples={"d": "../../../etc/passwd"}),
    "jobs that are a number": signed(jobs=1),
}


@pytest.mark.parametrize("case", HEADS)
def test_forged_heads_are_refused(case):
    with pytest.raises(StoreError, match=r"run\.json"):
        parse(HEADS[case], "run.json")


@pytest.mark.parametrize("kind", ["nothing", "matrix"])
def test_a_head_of_an_unknown_kind_or_table(run, kind):
    jobs = [{"key": "a", "table": "nothing", "what": "x"}]
    (run / "run.json").write_bytes(signed(kind=kind, jobs=jobs))
    (run / "nothing").mkdir()
    (run / "nothing" / "a.parquet").write_bytes(encode(CERTIFIED, "a", GOOD))
    with pytest.raises(FrontdefError):
        load_results(run).jobs  # noqa: B018


def test_a_head_that_does_not_say_what_a_job_is_about(run):
    (run / "run.json").write_bytes(signed(jobs=[{"key": "a", "table": "certified", "what": "x"}]))
    with pytest.raises(StoreError, match="dataset, classifier"):
        load_results(run).certified()


@pytest.mark.parametrize("value", [None, 7, [], {"x": 1}])
def test_a_head_that_says_something_else_of_a_job(run, value):
    about = {**MODEL, "defense": value}
    (run / "run.json").write_bytes(signed(jobs=[{"key": "a", "table": "certified", "what": "x", "about": about}]))
    with pytest.raises(StoreError, match=r"the defense of x.*delete it"):
        load_results(run).certified()


@pytest.mark.parametrize("parameters", ["{", "[]", "7", "", "\ud800", '{"a": "\\ud800"}', "[" * 100_000])
def test_parameters_that_are_no_object_in_json_are_refused_by_every_command(tmp_path, parameters):
    root = matrix_run(tmp_path / "run", {"a": {"broken": range(3), "parameters": parameters}})
    for words in (["results"], ["results", "--agreement"], ["compare"], ["report"], ["verify"]):
        ended = CliRunner().invoke(
            main, [words[0], str(root), *words[1:], *([str(root)] if words == ["compare"] else [])]
        )
        assert ended.exit_code == 2 or words == ["verify"], ended.output
        assert "the parameters of records a as it should" in ended.stderr or words == ["verify"]


@pytest.mark.parametrize(
    "document", [{"seed": "\x00"}, {"seed": [1]}, {"seed": 0, "name": "\ud800"}, {"seed": 0, "diagnose": 3}]
)
def test_a_document_of_somebody_else_ends_no_report_in_a_foreign_error(tmp_path, document):
    ended = CliRunner().invoke(main, ["report", str(matrix_run(tmp_path / "run", document=document))])
    assert ended.exit_code == (0 if document["seed"] == 0 else 2), ended.output


def test_a_cell_in_a_norm_that_is_none_is_refused_by_the_report(tmp_path):
    writer = RunWriter(tmp_path / "run")
    cell = {"dataset": "d", "classifier": "c", "defense": "none", "family": "pgd", "source": "", "norm": "[/x]"}
    cell |= {"cell": "k", "eps": 0.1, "judged_eps": 0.1, "library": "art", "parameters": "{}"}
    writer.add(RECORDS, "k", cell, failure="ValueError: no")
    writer.finish(name="m", document={"name": "m"}, command="frontdef run m.toml")
    ended = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    assert ended.exit_code == 2, ended.output
    assert "unknown norm '[/x]'" in ended.stderr


def test_a_head_with_the_right_checksum_over_what_is_no_json(tmp_path):
    root = matrix_run(tmp_path / "run")
    data = (root / "run.json").read_bytes().replace(b'"command"', b'"command', 1)
    start = data.index(b'"sha256": "') + 11
    data = data[:start] + UNSIGNED_HEAD.encode() + data[start + 64 :]
    (root / "run.json").write_bytes(data.replace(UNSIGNED_HEAD.encode(), hashlib.sha256(data).hexdigest().encode(), 1))
    with pytest.raises(StoreError, match=r"run\.json is damaged"):
        load_results(root)


def test_a_report_shows_defenses_that_were_measured_and_never_attacked(tmp_path):
    writer = RunWriter(matrix_run(tmp_path / "run"))
    writer.entries.extend(load_results(tmp_path / "run").head.jobs)
    metric = {**CELL, "defense": "measured alone", "metric": "energy", "parameters": "{}", "unit": ""}
    metric = {name: metric[name] for name in ("dataset", "classifier", "defense", "metric", "parameters", "unit")}
    writer.add(METRICS, "m2", metric, Rows({"sample_id": np.arange(3), "quantity": "x", "value": np.ones(3)}))
    writer.finish(**load_results(tmp_path / "run").head.model_dump(exclude={"jobs"}))
    ended = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    assert ended.exit_code == 0, ended.output
    assert "measured alone" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", [{"recipe": ["none"]}, {"defense": [{"name": 0}]}, {"nothing": 1}, {"name": None}])
@pytest.mark.parametrize("kind", ["matrix", "study"])
def test_a_document_that_is_none_is_no_plan(run, kind, document):
    (run / "run.json").write_bytes(signed(kind=kind, document=document, device="cpu"))
    ended = CliRunner().invoke(main, ["retry", str(run)])
    assert ended.exit_code == 2
    assert f"the {kind} that the run names" in ended.stderr


@pytest.mark.parametrize("name", ["run.json", "certified/a.parquet", "failures/b.json", "clean/d.safetensors"])
def test_pipes_in_a_run_folder_are_not_waited_for(run, name):
    path = run / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    store = Store(run) if name != "run.json" else None
    readers = {
        "run.json": lambda: load_results(run), "certified/a.parquet": lambda: store.read("certified", "a"),
        "failures/b.json": lambda: store.failure("b"), "clean/d.safetensors": lambda: store.tensors("clean", "d"),
    }  # fmt: skip
    with pytest.raises(StoreError):
        readers[name]()


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"sha256": "x"', b'{"key": {}}'])
def test_forged_failures(run, data):
    (run / "failures").mkdir()
    (run / "failures" / "b.json").write_bytes(data)
    with pytest.raises(StoreError, match=r"b\.json"):
        Store(run).failure("b")


def header(**entries) -> bytes:
    data = json.dumps(entries).encode()
    return len(data).to_bytes(8, "little") + data


TENSORS = {
    "empty": b"",
    "a header that is longer than the file": (2**62).to_bytes(8, "little") + b"{}",
    "no JSON": (2).to_bytes(8, "little") + b"{{",
    "deep": (200_000).to_bytes(8, "little") + b"[" * 100_000 + b"]" * 100_000,
    "larger than the file": header(x={"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}),
    "said as a list": header(__metadata__={"about": "[1, 2]"}),
    "said as a number": header(__metadata__={"about": "7"}),
    "nothing said": header(),
    "no type of torch's": header(x={"dtype": "F8_E4M3", "shape": [0], "data_offsets": [0, 0]}),
}


@pytest.mark.parametrize("case", TENSORS)
def test_forged_tensors(tmp_path, case):
    path = tmp_path / "x.safetensors"
    path.write_bytes(TENSORS[case])
    with pytest.raises(StoreError, match=r"x\.safetensors"):
        TensorFile(path)


def test_a_tensor_that_is_not_there(tmp_path):
    path = tmp_path / "x.safetensors"
    weights.save_single({"other": torch.zeros(3)}, path, {})
    with pytest.raises(StoreError, match="no tensor 'x_adv'"):
        TensorFile(path).tensor("x_adv")


def with_sidecar(path, data: bytes, about: dict) -> None:
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps({"sha256": weights._checksum(data, about), **about}))


GOOD_SIDECAR = {
    "request": {"defense": ["none", {}], "classifier": ["fc2", ""]},
    "in_shape": [1, 4, 4], "image_shape": [1, 4, 4], "n_classes": 2,
}  # fmt: skip


def test_a_pickle_with_a_matching_sidecar_is_no_model(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"front_end.x": torch.zeros(1)}, path)
    with_sidecar(path, path.read_bytes(), GOOD_SIDECAR)
    with pytest.raises(StoreError, match="no safetensors file"):
        saved.read(path)


SIDECARS = {
    "a request that is a list": {"request": [1]},
    "a request without a defense": {"request": {}},
    "a defense that is a number": {"request": {"defense": 1}},
    "a defense without configuration": {"request": {"defense": ["none"]}},
    "a configuration that is a list": {"request": {"defense": ["none", [1]]}},
    "a shape that is a text": {"image_shape": "abc"},
    "a shape of no size": {"in_shape": [0, 4, 4]},
    "a shape that fills the memory": {"in_shape": [100_000, 100_000, 100_000]},
    "classes that fill the memory": {"n_classes": 10**12},
    "classes that are none": {"n_classes": None},
    "two axes": {"image_shape": [4, 4]},
}


@pytest.mark.parametrize("case", SIDECARS)
def test_sidecars_are_read_through_one_class(tmp_path, case):
    from safetensors.torch import save

    path = tmp_path / "x.safetensors"
    with_sidecar(path, save({"x": torch.zeros(1)}), {**GOOD_SIDECAR, **SIDECARS[case]})
    with pytest.raises(StoreError, match="no trained defense"):
        saved.read(path)


def test_a_compressed_checkpoint_is_not_unpacked(tmp_path):
    import zipfile

    torch.save({"x": torch.zeros(1_000_000)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "bomb.pt", "w") as bomb:
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "bomb.pt").stat().st_size < 100_000
    with pytest.raises(ModelError, match="compressed"):
        read_state(tmp_path / "bomb.pt")
    assert read_state(tmp_path / "plain.pt")[0]["x"].shape == (1_000_000,)


def test_the_reasons_of_a_diagnosis_are_composed_when_they_are_asked_for(tmp_path):
    """Runs of an earlier version stored them as sentences."""
    rows = diagnosis()
    writer = RunWriter(tmp_path / "run")
    writer.add(DIAGNOSES, "a", MODEL, replace(rows, about={**rows.about, "reasons": ["as it was worded once"]}))
    writer.finish(radii={"linf": [0.1]})
    (told,) = load_results(tmp_path / "run").diagnoses()
    assert told["reasons"] == ["random noise: noise breaks more (noise breaks 34%, PGD 31%)"]
