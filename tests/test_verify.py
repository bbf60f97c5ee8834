"""``frontdef verify``: every damaged, changed, swapped or missing file of a run is named, and nothing else."""

from __future__ import annotations

import os
import shutil

import pytest
from click.testing import CliRunner

from frontdef.cli import main
from frontdef.errors import StoreError
from frontdef.runs.store import Store
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
[[defense]]
name = "wavelet"
[[attack]]
family = "fgsm"
eps = [0.1, 0.2]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "small"
    run_matrix(MATRIX, out)
    return out


@pytest.fixture
def out(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def verify(out):
    return CliRunner().invoke(main, ["verify", str(out)])


def files(out, kind):
    return sorted(out.glob(kind))


def test_a_whole_run_is_whole(out):
    answer = verify(out)
    assert answer.exit_code == 0, answer.output
    n = len([path for path in out.rglob("*") if path.suffix in {".parquet", ".safetensors"}])
    assert f"{n} files read, 0 damaged; 0 jobs not run yet" in answer.output
    assert "not named" not in answer.output


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "kind", ["records/*.parquet", "records/*.safetensors", "figures/*.parquet", "clean/*.safetensors"]
)
@pytest.mark.parametrize("harm", ["a flipped bit", "cut short", "emptied"])
def test_a_damaged_file_is_named_with_its_mend(out, kind, harm):
    path = files(out, kind)[0]
    if harm == "a flipped bit":
        flip(path)
    else:
        path.write_bytes(path.read_bytes()[: 100 if harm == "cut short" else 0])
    answer = verify(out)
    assert answer.exit_code == 1, answer.output
    assert path.name in answer.output
    assert "1 damaged" in answer.output
    assert "elete" in answer.output or "again" in answer.output


@pytest.mark.parametrize("kind", ["records/*.parquet", "records/*.safetensors"])
def test_two_files_that_changed_places_are_both_named(out, kind):
    first, second = files(out, kind)[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    answer = verify(out)
    assert answer.exit_code == 1
    assert first.name in answer.output
    assert second.name in answer.output
    assert "2 damaged" in answer.output


def test_examples_that_are_gone_are_named(out):
    path = files(out, "records/*.safetensors")[0]
    path.unlink()
    answer = verify(out)
    assert answer.exit_code == 1
    assert f"{path.name} is missing" in answer.output


def test_images_that_are_gone_are_named(out):
    files(out, "clean/*.safetensors")[0].unlink()
    assert verify(out).exit_code == 1


@pytest.mark.parametrize("made", [lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
@pytest.mark.parametrize("kind", ["records/*.parquet", "records/*.safetensors"])
def test_what_stands_in_the_place_of_a_file_is_named(out, kind, made):
    """`results` and `status` take it for a job that is done, so it is none that has not been run."""
    path = files(out, kind)[0]
    path.unlink()
    made(path)
    answer = verify(out)
    assert answer.exit_code == 1, answer.output
    assert path.name in answer.output


def test_what_has_not_been_run_is_no_damage(out):
    rows = files(out, "records/*.parquet")[0]
    rows.unlink()
    rows.with_suffix(".safetensors").unlink()
    answer = verify(out)
    assert answer.exit_code == 0
    assert "1 job not run yet" in answer.output


def test_another_jobs_failure_is_named(out):
    cell = files(out, "records/*.parquet")[0]
    store = Store(out)
    store.write_failure("records", cell.stem, "a cell", "Traceback")
    assert verify(out).exit_code == 0
    path = out / "failures" / f"{cell.stem}.json"
    path.write_text(path.read_text().replace(cell.stem, "0" * len(cell.stem)))
    assert verify(out).exit_code == 1


def test_a_file_that_run_json_does_not_name_is_told_and_is_no_damage(out):
    (out / "records" / "thesis.tex").write_text("x")
    answer = verify(out)
    assert answer.exit_code == 0
    assert os.path.join("records", "thesis.tex") in answer.output


def test_the_mend_mends(out):
    path = files(out, "records/*.parquet")[0]
    flip(path)
    assert verify(out).exit_code == 1
    path.unlink()
    run_matrix(MATRIX, out)
    assert verify(out).exit_code == 0


@pytest.mark.parametrize("data", [b"", b"{}", b'{"sha256": "x", "format": 2}'])
def test_the_mend_of_a_damaged_run_json_mends(out, data):
    """A run folder that lost its head, by a power cut as by anything else, is no folder of somebody else."""
    verify(out)
    (out / "run.json").write_bytes(data)
    (out / "report.html").write_text("an earlier report")
    answer = verify(out)
    assert answer.exit_code == 2
    assert "delete it" in answer.output or "format" in answer.output
    (out / "run.json").unlink()
    _, summary = run_matrix(MATRIX, out)
    assert not summary.ran
    assert verify(out).exit_code == 0


@pytest.mark.parametrize("name", ["thesis.tex", "records/thesis.tex", "records/packs/thesis.parquet"])
def test_a_folder_with_anything_else_and_no_run_json_is_not_written(out, name):
    (out / "run.json").unlink()
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    with pytest.raises(StoreError, match="no run folder"):
        Store(out)


def test_a_changed_run_json_and_a_folder_of_something_else_are_errors(out, tmp_path):
    run_json = out / "run.json"
    run_json.write_text(run_json.read_text().replace('"samples"', '"sample"', 1))
    answer = verify(out)
    assert answer.exit_code == 2
    assert "run.json" in answer.output
    assert verify(tmp_path).exit_code == 2
