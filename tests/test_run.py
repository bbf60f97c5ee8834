"""The runner: what is stored, what is resumed, what a failure or a kill leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import frontdef
from frontdef.cli import main
from frontdef.errors import ConfigError, FrontdefError, StoreError, UnknownNameError
from frontdef.matrix.entries import Matrix, parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.matrix.tables import RECORDS
from frontdef.models.load import Means, load_model
from frontdef.runs.run import head_of
from frontdef.runs.store import Store
from tests.forks import fork, wait
from tests.quiet import run_matrix

MATRIX = """
name = "small"
samples = 24
classifiers = ["fc2"]
libraries = ["native", "torchattacks", "foolbox"]
recipe = [{ epochs = 4, lr = 0.01 }]
[[defense]]
name = "none"
[[attack]]
family = "fgsm"
eps = [0.1, 0.2]
[[attack]]
family = "pgd"
eps = [0.2]
parameters = { steps = 5 }
[[attack]]
family = "deepfool"
norm = "l2"
eps = [0.5, 1.0]
parameters = { steps = 5 }
libraries = ["foolbox"]
"""


def go(out: Path, text: str = MATRIX, **settings):
    plan, summary = run_matrix(text, out, **settings)
    return plan, summary


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cache):
    out = tmp_path_factory.mktemp("run") / "small"
    os.environ["FRONTDEF_CACHE"] = str(cache)
    plan, summary = go(out)
    return out, plan, summary


def stored(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "records").glob("*.parquet"))}


def test_every_cell_is_run_once(finished):
    out, plan, summary = finished
    cells = [cell.key for cell in plan.of("records")]
    assert len(cells) == 3 * 2 + 3 + 1
    assert sorted(summary.ran) == sorted(job.key for job in plan.jobs)
    assert sorted(cells) == sorted(Path(name).stem for name in stored(out))
    assert not summary.failed


def test_a_second_run_does_nothing(finished):
    out, plan, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*.parquet")}
    _, summary = go(out)
    assert (summary.ran, len(summary.cached)) == ([], len(plan.jobs))
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*.parquet")} == before


def test_what_a_run_that_goes_on_says_of_its_jobs_is_what_it_would_say_anew(finished, tmp_path):
    out = tmp_path / "again"
    shutil.copytree(finished[0], out)
    described = Store(out).require_head().jobs
    assert Store(out).renew_head(head_of(finished[1], "again").model_copy(update={"jobs": ()}), _keys(finished[1]))
    assert Store(out).require_head() == head_of(finished[1], "again")
    assert Store(out).require_head().jobs == described
    # Under another title the cells are the same ones, and called otherwise.
    renamed, summary = go(out, MATRIX.replace('name = "none"', 'name = "none"\nlabel = "plain"'))
    assert (_keys(renamed), summary.ran) == (_keys(finished[1]), [])
    assert {entry.about["defense"] for entry in Store(out).require_head().jobs} == {"plain"}
    fewer, _ = go(out, MATRIX.replace("eps = [0.1, 0.2]", "eps = [0.2]"))
    assert [entry.key for entry in Store(out).require_head().jobs] == _keys(fewer)


def _keys(plan) -> list[str]:
    return [job.key for job in plan.jobs]


def test_records_have_the_documented_columns(finished):
    records = frontdef.load_results(finished[0]).records()
    assert list(records.columns) == list(RECORDS.columns)
    assert len(records) == 24 * len(finished[1].of("records"))


def test_outcomes_judge_minimum_norm_attacks_at_every_radius(finished):
    outcomes = frontdef.load_results(finished[0]).to_dataframe()
    deepfool = outcomes[outcomes["family"] == "deepfool"]
    assert sorted(deepfool["eps"].unique()) == [0.5, 1.0]
    for eps, rows in deepfool.groupby("eps"):
        wrong = rows["adversarial_prediction"] != rows["label"]
        assert (rows["success"] == (wrong & (rows["l2"] <= eps + 1e-6))).all()


def test_success_is_recomputed_from_the_stored_examples(finished, cache):
    out, plan, _ = finished
    results = frontdef.load_results(out)
    cells = results.cells()
    row = cells[(cells["family"] == "pgd") & (cells["library"] == "foolbox")].iloc[0]
    records = results.sql(f"select * from records where cell = '{row['cell']}' order by sample_id")
    samples = results.samples("digits")
    order = np.argsort(samples["ids"].numpy())
    x, x_adv = results.clean("digits")[order], results.examples(row["cell"])[order]
    apart = np.abs(x_adv.astype(np.float64) - x).reshape(len(x), -1).max(1)
    assert records["linf"].to_numpy() == pytest.approx(apart, abs=1e-7)
    model = load_model(plan.by_key[row["cell"]].row.request, Means(cache=cache))
    predicted = model.predict(torch.from_numpy(x_adv)).argmax(1).numpy()
    assert (records["adversarial_prediction"] == predicted).all()
    inside = (apart <= 0.2 + 1e-6) & (x_adv >= 0).all((1, 2, 3)) & (x_adv <= 1).all((1, 2, 3))
    succeeded = inside & (predicted != samples["labels"].numpy()[order])
    assert 0 < succeeded.sum() < len(succeeded), "all alike would agree with a constant"
    assert (records["success"] == succeeded).all()


def test_two_undisturbed_runs_agree_to_the_bit(finished, tmp_path):
    go(tmp_path / "again")
    first, second = (frontdef.load_results(path).records() for path in (finished[0], tmp_path / "again"))
    assert len(first) == 24 * len(finished[1].of("records"))
    key = ["cell", "sample_id"]
    pd.testing.assert_frame_equal(
        first.sort_values(key).reset_index(drop=True), second.sort_values(key).reset_index(drop=True)
    )


def stopped_at_its_first_cell(tmp_path, out, how):
    """Exit code and standard error of `frontdef run` in another process, which waits there for a signal."""
    (tmp_path / "small.toml").write_text(MATRIX)
    write = Store.write

    def write_and_wait(store, table, *what):
        write(store, table, *what)
        time.sleep(600 if table == "records" else 0)

    def work():
        Store.write = write_and_wait
        main(["run", str(tmp_path / "small.toml"), "--out", str(out)])

    process = fork(work, tmp_path / "errors")
    deadline = time.monotonic() + 600
    while not list(out.glob("records/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process, how)
    return wait(process), (tmp_path / "errors").read_text()


def test_a_killed_run_leaves_whole_cells_and_goes_on(finished, tmp_path):
    out = tmp_path / "killed"
    code, _ = stopped_at_its_first_cell(tmp_path, out, signal.SIGKILL)
    assert code == -signal.SIGKILL, "it had ended by itself"
    assert list(out.glob("records/*.parquet")), "nothing was stored before the kill"
    plan, summary = go(out)
    assert summary.ran, "nothing was left to go on with"
    assert summary.cached, "what was stored before the kill was not kept"
    assert len(summary.ran) + len(summary.cached) == len(plan.jobs)
    undisturbed, resumed = (frontdef.load_results(path).records() for path in (finished[0], out))
    key = ["cell", "sample_id"]
    pd.testing.assert_frame_equal(
        undisturbed.sort_values(key).reset_index(drop=True), resumed.sort_values(key).reset_index(drop=True)
    )


def test_ctrl_c_leaves_whole_cells_and_says_so(tmp_path):
    out = tmp_path / "stopped"
    code, errors = stopped_at_its_first_cell(tmp_path, out, signal.SIGINT)
    assert code == 130, errors
    assert "jobs are kept" in errors
    assert not list(out.glob("**/*.tmp"))


def test_a_failing_cell_is_a_result_and_can_be_retried(tmp_path, monkeypatch):
    from frontdef.attacks.foolbox import FoolboxLibrary

    def fail(self, spec, protected, x, y):
        raise RuntimeError("out of luck")

    working = FoolboxLibrary.run
    monkeypatch.setattr(FoolboxLibrary, "run", fail)
    out = tmp_path / "failing"
    plan, summary = go(out)
    failing = {cell.key for cell in plan.of("records") if cell.library == "foolbox"}
    assert set(summary.failed) == failing
    assert len(summary.ran) == len(plan.jobs) - len(failing)
    cells = frontdef.load_results(out).cells()
    assert cells.loc[cells["status"] == "failed", "error"].str.contains("RuntimeError: out of luck").all()
    monkeypatch.setattr(FoolboxLibrary, "run", working)
    assert set(go(out)[1].failed) == failing, "a failure is not retried unasked"
    Store(out).forget_failures(failing)
    _, summary = go(out)
    assert set(summary.ran) == failing
    assert not summary.failed


def test_one_cell_alone_can_be_run_again(finished):
    out, plan, _ = finished
    _, summary = go(out, only=(plan.of("records")[0].key[:8],), overwrite=True)
    assert summary.ran == [plan.of("records")[0].key]
    with pytest.raises(UnknownNameError, match="frontdef plan"):
        go(out, only=("nonsense",))


@pytest.mark.parametrize(
    ("change", "key_changes"),
    [({"eps": [0.1, 0.25]}, True), ({"parameters": {"steps": 6}}, True), ({}, False)],
)
def test_keys_follow_what_decides_the_result(change, key_changes):
    base = {"attack": [{"family": "pgd", "eps": [0.2], "parameters": {"steps": 5}}], "libraries": ["native"]}
    changed = {**base, "attack": [{**base["attack"][0], **change}]}
    base_key, changed_key = (
        make_plan(Matrix.model_validate(values)).of("records")[0].key for values in (base, changed)
    )
    assert (base_key != changed_key) == key_changes


def test_a_surrogate_changes_the_cell_and_not_the_model():
    values = {"attack": [{"family": "fgsm", "eps": [0.2]}], "libraries": ["native"]}
    default, true_gradient = (
        make_plan(Matrix.model_validate({**values, "defense": [{"name": "none", "surrogate": surrogate}]})).of(
            "records"
        )[0]
        for surrogate in (None, "true")
    )
    assert default.key != true_gradient.key
    assert default.row.request.key() == true_gradient.row.request.key()


BAD = {
    "unknown defense": ('[[defense]]\nname = "non"', "Did you mean 'none'"),
    "unknown family": ('[[attack]]\nfamily = "fgms"\neps = [0.1]', "Did you mean 'fgsm'"),
    "unknown data set": ('datasets = ["digit"]', "Did you mean 'digits'"),
    "unknown classifier": ('classifiers = ["small_cnn"]', "Did you mean 'small-cnn'"),
    "unknown library": ('libraries = ["foolbx"]\n[[attack]]\nfamily="fgsm"\neps=[0.1]', "Did you mean 'foolbox'"),
    "unknown key": ("sample = 3", "did you mean 'samples'"),
    "unknown parameter": ('[[attack]]\nfamily = "pgd"\neps = [0.1]\nparameters = { step = 3 }', "did you mean 'steps'"),
    "eps zero": ('[[attack]]\nfamily = "pgd"\neps = [0]', "positive"),
    "eps above one": ('[[attack]]\nfamily = "pgd"\neps = [8]', "8/255"),
    "no eps": ('[[attack]]\nfamily = "pgd"', "needs eps"),
    "norm not offered": ('[[attack]]\nfamily = "mifgsm"\nnorm = "l0"\neps = [1]', "exists in"),
    "no samples": ("samples = 0", "greater than or equal to 1"),
    "missing plugin": ('required_plugins = ["frontdef-nonesuch>=0.1"]', "frontdef-nonesuch"),
    "not TOML": ("samples = ", "not valid TOML"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_matrices_are_explained(case):
    text, message = BAD[case]
    with pytest.raises(FrontdefError, match=message):
        make_plan(parse_matrix(text))


def test_more_samples_than_there_are(tmp_path):
    with pytest.raises(FrontdefError, match="500"):
        go(tmp_path / "many", MATRIX.replace("samples = 24", "samples = 100000"))


def test_a_store_of_another_version_is_refused(finished, tmp_path):
    about = json.loads((finished[0] / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(StoreError, match="store format 99"):
        frontdef.load_results(tmp_path)


def test_a_folder_with_other_things_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="no run folder"):
        go(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_cell_is_named(finished, tmp_path):
    import shutil

    out = tmp_path / "damaged"
    shutil.copytree(finished[0], out)
    victim = next(out.glob("records/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:200])
    with pytest.raises(StoreError, match=f"{victim.name}.*damaged"):
        frontdef.load_results(out).cells()


def test_no_gpu_where_cuda_is_asked():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match="--device cpu"):
        go(Path("nowhere"), device="cuda")


def test_a_full_disk_during_a_cell_keeps_the_others(tmp_path, finished, monkeypatch):
    """A real, small file system fills up in the middle of the run; what was stored before is whole."""
    monkeypatch.setattr(Store, "require_space", lambda self, *needed: None)
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        with pytest.raises(StoreError, match="No space left"):
            go(mount / "run")
        results = Store(mount / "run")
        kept = list((mount / "run").glob("*/*.parquet"))
        assert kept
        for path in kept:
            results.read(path.parent.name, path.stem)
        assert not list((mount / "run").glob("**/.*.tmp"))
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_disk_without_room_is_refused_before_anything_is_run(tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(StoreError, match="MB free"):
        go(tmp_path / "full")


def test_a_matrix_says_that_it_is_no_study(finished):
    result = CliRunner().invoke(main, ["analyze", str(finished[0])])
    assert result.exit_code == 2
    assert "is a matrix: `frontdef results" in result.output
