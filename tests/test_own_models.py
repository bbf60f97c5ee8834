"""``[[model]]`` and ``frontdef evaluate``: a model that somebody else trained, from its files to what it withstands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import frontdef
from frontdef.cli import main
from frontdef.errors import ConfigError, FrontdefError, ModelError
from frontdef.matrix.entries import load_matrix, parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.models.load import Means, load_model
from frontdef.registry import get_dataset
from frontdef.runs.inventory import Inventory
from tests import own_models

MATRIX = """
name = "own"
samples = 20
libraries = ["native"]
[[model]]
name = "mine"
source = "nets.py:build"
weights = "mine.pt"
clean_accuracy = 0.85
[[defense]]
name = "none"
[[defense]]
name = "wavelet"
config = { keep = 0.5 }
[[attack]]
family = "fgsm"
eps = ["8/255"]
"""
GARBAGE = MATRIX.replace("mine.pt", "garbage.pt")
UNGATED = MATRIX.replace("clean_accuracy = 0.85\n", "")


@pytest.fixture(scope="module")
def net():
    return own_models.trained()


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory):
    return own_models.write(tmp_path_factory.mktemp("owner"), net)


def frontdef_(*words):
    """A command, in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


def run(folder, out, text=MATRIX, *options):
    """``frontdef run`` of a matrix beside the model's files, from another working directory."""
    path = folder / f"{out.name}.toml"
    path.write_text(text, encoding="utf-8")
    return frontdef_("run", path, "--out", out, *options)


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    answer = run(folder, out)
    assert answer.exit_code == 0, answer.output
    return out


def plan_of(folder, text):
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return make_plan(load_matrix(path))


# Rows


def test_rows_are_models_by_defenses(finished):
    cells = frontdef.load_results(finished).cells()
    assert set(zip(cells["classifier"], cells["defense"], cells["training"], strict=True)) == {
        ("mine", "none", "as it is"),
        ("mine", "wavelet keep=0.5", "as it is"),
    }
    assert any("right on clean images" in note for note in frontdef.load_results(finished).head.notes)


def test_none_is_the_bare_model_bit_for_bit(folder, net):
    images = get_dataset("digits").load("test").take(20, 0).images
    request = plan_of(folder, MATRIX).of("records")[0].row.request
    with torch.no_grad():
        assert torch.equal(load_model(request, Means())(images), net(images))


def test_evaluate_matrix_and_python_find_the_same(finished, folder, net, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    told = frontdef_(
        "evaluate", "nets.py:build", "--weights", "mine.pt", "--dataset", "digits", "--samples", 20, "--no-diagnose",
        "--attacks", "quick", "--library", "native", "-d", "none", "-d", "wavelet keep=0.5", "--out", tmp_path / "line",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    split = get_dataset("digits").load("test").take(20, 0)
    called = frontdef.evaluate(
        net, split.images, split.labels, defenses=["none", ("wavelet", {"keep": 0.5})], attacks="quick",
        libraries="native", diagnose=False, quiet=True, out=tmp_path / "call",
    )  # fmt: skip

    def robust(results):
        cells = results.cells()
        return {(row.defense, row.family): row.robust_accuracy for row in cells[cells["family"] == "fgsm"].itertuples()}

    line = frontdef.load_results(tmp_path / "line")
    assert robust(line) == robust(called) == robust(frontdef.load_results(finished))


def test_two_models_and_a_trained_classifier_in_one_matrix(folder, tmp_path):
    garbage_table = '[[model]]\nname = "garbage"\nsource = "nets.py:build"\nweights = "garbage.pt"\n'
    text = MATRIX.replace('name = "own"', 'name = "own"\nclassifiers = ["fc2"]\nrecipe = [{ epochs = 2, lr = 0.01 }]')
    answer = run(folder, tmp_path / "both", text + garbage_table)
    assert answer.exit_code == 0, answer.output
    worst = frontdef.load_results(tmp_path / "both").worst()
    assert set(zip(worst["classifier"], worst["defense"], strict=True)) == {
        (model, defense) for model in ("fc2", "mine", "garbage") for defense in ("none", "wavelet keep=0.5")
    }
    training = frontdef.load_results(tmp_path / "both").cells().groupby("classifier")["training"].first()
    assert dict(training) == {"fc2": "trained here", "mine": "as it is", "garbage": "as it is"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('[[model]]\nname = "mine"\nsource = "nets.py:build"\n', "two models are called 'mine'"),
        ('[[model]]\nname = "twin"\nsource = "nets.py:build"\nweights = "mine.pt"\n', "one model under two names"),
        ('[[defense]]\nname = "wavelet"\nconfig = { keep = 0.5 }\n', "2 rows of the matrix have the title"),
        ('[[defense]]\nname = "wavelet"\nlabel = "w"\nconfig = { keep = 0.5 }\n', "one model under two names"),
        ('[[defense]]\nname = "hah"\n', "give its row a recipe"),
        ('[[attack]]\nfamily = "pgd"\neps = [0.1]\nsource = { name = "none" }\n', "give it a classifier"),
        ('[[model]]\nname = "b"\nsourc = "nets.py:build"\n', "did you mean 'source'"),
    ],
)
def test_rows_that_could_not_be_told_apart_or_do_not_fit(folder, change, message):
    with pytest.raises(ConfigError, match=message):
        plan_of(folder, MATRIX + change)


def test_rows_that_differ_in_their_surrogate_alone_share_what_it_does_not_decide(folder, tmp_path):
    rows = "".join(
        f'[[defense]]\nname = "wavelet"\nlabel = "{surrogate}"\nsurrogate = "{surrogate}"\n'
        for surrogate in ("projection", "adjoint")
    )
    start, end = MATRIX.index("[[defense]]"), MATRIX.index("[[attack]]")
    answer = run(folder, tmp_path / "rows", MATRIX[:start] + rows + MATRIX[end:])
    assert answer.exit_code == 0, answer.output
    results = frontdef.load_results(tmp_path / "rows")
    assert set(results.cells()["defense"]) == {"projection", "adjoint"}
    pictures = [results.figures("digits", "mine", label) for label in ("projection", "adjoint")]
    assert pictures[0].keys() == pictures[1].keys()
    assert pictures[0]
    assert frontdef_("verify", tmp_path / "rows").exit_code == 0


def test_a_source_column_is_trained_here_and_judged_on_the_users_model(folder, tmp_path):
    column = '[[attack]]\nfamily = "fgsm"\neps = [0.1]\nsource = { name = "none", classifier = "fc2", label = "BB" }\n'
    text = MATRIX.replace("samples = 20", "samples = 20\nrecipe = [{ epochs = 2, lr = 0.01 }]")
    answer = run(folder, tmp_path / "source", text + column)
    assert answer.exit_code == 0, answer.output
    cells = frontdef.load_results(tmp_path / "source").cells()
    assert (cells["source"] == "BB").sum() == 2
    assert set(cells["training"]) == {"as it is"}


def test_plan_shows_the_rows_and_what_is_left_out(folder, tmp_path):
    text = MATRIX[: MATRIX.index("[[defense]]")] + '[[attack]]\nfamily = "fgsm"\neps = ["8/255"]\n'
    path = tmp_path / "all.toml"
    path.write_text(text.replace("samples", f'base = "{folder}"\ndefense = "all"\nsamples', 1), encoding="utf-8")
    answer = frontdef_("plan", path, "--out", tmp_path / "none")
    assert answer.exit_code == 0, answer.output
    printed = " ".join(answer.output.split())
    assert "mine" in printed
    assert "defense hah before mine on digits" in printed
    assert not (tmp_path / "none").exists()


def test_quantized_pixels_learn_nothing_and_stand_before_a_model_as_it_is(folder, net, tmp_path, monkeypatch):
    """By the matrix, the command line and the call in Python; of a live model there are no training images at all."""
    row = '[[defense]]\nname = "polarize"\nconfig = { source = "pixels" }\n'
    plan = plan_of(folder, MATRIX.replace("[[attack]]", f"{row}[[attack]]"))
    assert "polarize" in {cell.row.entry.name for cell in plan.of("records")}
    monkeypatch.chdir(folder)
    words = ("nets.py:build", "--weights", "mine.pt", "--dataset", "digits", "--samples", 12, "--no-diagnose")
    few = ("--attacks", "quick", "--library", "native", "--out", tmp_path / "line")
    answer = frontdef_("evaluate", *words, "-d", "polarize source=pixels", *few)
    assert answer.exit_code == 0, answer.output
    split = get_dataset("digits").load("test").take(12, 0)
    called = frontdef.evaluate(
        net, split.images, split.labels, defenses=[("polarize", {"source": "pixels"})],
        attacks="quick", libraries="native", diagnose=False, quiet=True, out=tmp_path / "call",
    )  # fmt: skip
    rows = [
        dict(zip(results.cells()["family"], results.cells()["robust_accuracy"], strict=True))
        for results in (frontdef.load_results(tmp_path / "line"), called)
    ]
    assert rows[0] == rows[1]


def test_a_recipe_alone_is_no_row_before_a_model_as_it_is(folder):
    """`advtrain` of a network that was never adversarially trained would be the row `none` under a name that lies."""
    start = MATRIX[: MATRIX.index("[[defense]]")]
    attack = MATRIX[MATRIX.index("[[attack]]") :]
    plan = plan_of(folder, start.replace("samples", 'defense = "all"\nsamples', 1) + attack)
    (reason,) = (line for line in plan.skipped if line.startswith("defense advtrain "))
    assert "recipe alone" in reason
    assert "frontdef train" in reason
    named = MATRIX.replace('name = "wavelet"\nconfig = { keep = 0.5 }', 'name = "advtrain"')
    with pytest.raises(ConfigError, match="recipe alone"):
        plan_of(folder, named)
    tuned = named.replace('name = "advtrain"', 'name = "advtrain"\nrecipe = [{ epochs = 1, lr = 0.01 }]')
    assert "advtrain" in {cell.row.entry.name for cell in plan_of(folder, tuned).of("records")}


# Words for everything


def test_all_defenses_libraries_and_families(folder):
    start = MATRIX[: MATRIX.index("[[defense]]")]
    plan = plan_of(folder, start.replace('["native"]', '["all"]').replace("samples", 'defense = "all"\nsamples', 1)
                   + '[[attack]]\nfamily = "all"\neps = ["8/255"]\n')  # fmt: skip
    cells = [job.describe() for job in plan.of("records")]
    registry = frontdef.registry
    rows = {cell["defense"] for cell in cells}
    left = {line.split()[1] for line in plan.skipped if line.startswith("defense ")}
    assert rows | left == {defense.name for defense in registry.get_defenses()}
    assert not rows & left
    assert {cell["library"] for cell in cells} == set(registry.get_attack_libraries())
    offered = {attack.family.name for attack in registry.get_attacks(norm="linf")}
    assert {cell["family"] for cell in cells} == offered


@pytest.mark.parametrize("libraries", ['"all"', '["all"]', '["all", "native"]'])
def test_all_libraries_is_one_word_wherever_it_stands(folder, libraries):
    """In a matrix as in a row of it, as a string as among others."""
    chosen = set(frontdef.registry.get_attack_libraries())
    for text in (
        MATRIX.replace('["native"]', libraries),
        MATRIX.replace('libraries = ["native"]\n', "") + f"libraries = {libraries}\n",
    ):
        offered = {cell.library for cell in plan_of(folder, text).of("records")}
        assert {"native", "torchattacks"} <= offered <= chosen


def test_a_run_that_only_measures_is_not_told_to_go_on(folder, tmp_path):
    text = MATRIX[: MATRIX.index("[[attack]]")] + '[[metric]]\nname = "gaussian-noise"\n'
    answer = run(folder, tmp_path / "measured", text)
    assert answer.exit_code == 0, answer.output
    assert "no cell has finished" not in answer.output


def test_what_all_leaves_out_is_said_at_the_head_of_a_run_a_line_a_reason(folder, tmp_path):
    start = MATRIX[: MATRIX.index("[[defense]]")].replace("samples", 'defense = "all"\nsamples', 1)
    text = start + MATRIX[MATRIX.index("[[attack]]") :]
    answer = run(folder, tmp_path / "all", text, "--only", "figures")
    assert answer.exit_code == 0, answer.output
    lines = [line for line in answer.output.splitlines() if line.startswith("left out: ")]
    skipped = plan_of(folder, text).skipped
    reasons = {line.partition(": ")[2] for line in skipped}
    assert len(lines) == len(reasons) < len(skipped)
    (learning,) = (line for line in lines if "it learns" in line)
    assert learning.startswith("left out: defense hah, ")
    assert " before mine on digits: it learns" in learning
    for line in skipped:
        assert sum(line.split()[1] in told for told in lines) >= 1


def test_a_set_of_attacks_in_several_norms(folder):
    start = MATRIX[: MATRIX.index("[[defense]]")]
    text = start.replace("[[model]]", 'attacks = "standard"\nthreats = { linf = ["8/255"], l2 = [0.5] }\n[[model]]')
    plan = plan_of(folder, text)
    cells = [job.describe() for job in plan.of("records")]
    assert {(cell["norm"], cell["family"]) for cell in cells} >= {
        (norm, family) for norm in ("linf", "l2") for family in ("fgsm", "pgd", "transfer")
    }
    assert any(line.startswith("deepfool l2 in native: ") for line in plan.skipped)
    with pytest.raises(ConfigError, match="needs threats"):
        plan_of(folder, text.replace('threats = { linf = ["8/255"], l2 = [0.5] }', ""))
    with pytest.raises(FrontdefError, match="standard"):
        plan_of(folder, text.replace('"standard"', '"standrad"'))


# The gate


def test_garbage_is_refused_before_anything_is_attacked(folder, tmp_path):
    answer = run(folder, tmp_path / "garbage", GARBAGE)
    assert answer.exit_code == 2, answer.output
    assert "Nothing was attacked" in answer.output
    assert "Traceback" not in answer.output
    assert not (tmp_path / "garbage").exists()


def test_a_refused_model_leaves_an_earlier_run_as_it_was(finished, folder, tmp_path):
    out = tmp_path / "kept"
    shutil.copytree(finished, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert run(folder, out, GARBAGE).exit_code == 2
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_garbage_checkpoint_is_never_served_the_real_ones_results(finished, net, tmp_path):
    folder, out = own_models.write(tmp_path / "owner", net), tmp_path / "run"
    shutil.copytree(finished, out)
    (folder / "garbage.pt").replace(folder / "mine.pt")
    answer = run(folder, out, UNGATED)
    assert answer.exit_code == 0, answer.output
    worst = frontdef.load_results(out).worst()
    assert (worst["clean"] < 0.5).all()
    assert (worst["robust"] <= worst["clean"]).all()
    assert (frontdef.load_results(finished).worst()["clean"] > 0.8).all()
    own_models.write(folder, net)
    assert "0 jobs run" in run(folder, out).output
    assert frontdef.load_results(out).worst().equals(frontdef.load_results(finished).worst())


def test_changed_code_and_normalization_are_another_model(folder, net, tmp_path):
    first = {job.key for job in plan_of(folder, UNGATED).of("records")}
    moved = own_models.write(tmp_path / "elsewhere", net)
    assert {job.key for job in plan_of(moved, UNGATED).of("records")} == first, "a folder is no part of a model"
    text = UNGATED.replace('weights = "mine.pt"', 'weights = "mine.pt"\nnormalize = { mean = [0.1], std = [0.9] }')
    assert not {job.key for job in plan_of(folder, text).of("records")} & first
    code = (moved / "nets.py").read_text(encoding="utf-8")
    (moved / "nets.py").write_text(code.replace("nn.ReLU()", "nn.LeakyReLU(0.0)"), encoding="utf-8")
    assert not {job.key for job in plan_of(moved, UNGATED).of("records")} & first


# Resume, workers, retry


def test_a_second_run_does_nothing_and_a_deleted_cell_is_run_alone(finished, folder, tmp_path):
    out = tmp_path / "again"
    shutil.copytree(finished, out)
    assert "0 jobs run" in run(folder, out).output
    cell = next(out.glob("records/*.parquet"))
    content = cell.read_bytes()
    cell.unlink()
    assert "1 job run" in run(folder, out).output
    assert cell.read_bytes() != b""
    assert frontdef.load_results(out).worst().equals(frontdef.load_results(finished).worst())
    assert len(cell.read_bytes()) == pytest.approx(len(content), rel=0.1)


def test_workers_and_retry_find_the_files_from_another_directory(finished, folder, tmp_path, monkeypatch):
    """The matrix names them beside itself; neither the run's nor the retry's working directory is that folder."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "worked"
    answer = run(folder, out, MATRIX, "-j", 1)
    assert answer.exit_code == 0, answer.output
    assert frontdef.load_results(out).worst().equals(frontdef.load_results(finished).worst())
    for path in out.glob("records/*.parquet"):
        path.unlink()
    again = frontdef_("retry", out)
    assert again.exit_code == 0, again.output
    assert "2 jobs run" in again.output
    assert frontdef.load_results(out).worst().equals(frontdef.load_results(finished).worst())


def test_a_failed_cell_is_retried(folder, tmp_path, monkeypatch):
    from frontdef.attacks.native.library import NativeLibrary

    def fail(self, *arguments):
        raise RuntimeError("out of luck")

    working = NativeLibrary.run
    monkeypatch.setattr(NativeLibrary, "run", fail)
    out = tmp_path / "failing"
    answer = run(folder, out)
    assert answer.exit_code == 1
    assert "frontdef retry" in answer.output
    monkeypatch.setattr(NativeLibrary, "run", working)
    assert frontdef_("retry", out).exit_code == 0
    assert set(frontdef.load_results(out).cells()["status"]) == {"ok"}


# Fine-tuning


def test_a_recipe_fine_tunes_a_copy(folder, net, tmp_path):
    weights = (folder / "mine.pt").read_bytes()
    text = (
        MATRIX + '[[defense]]\nname = "wavelet"\nlabel = "tuned"\nconfig = { keep = 0.5 }\nrecipe = [{ epochs = 1 }]\n'
    )
    answer = run(folder, tmp_path / "tuned", text)
    assert answer.exit_code == 0, answer.output
    cells = frontdef.load_results(tmp_path / "tuned").cells()
    assert dict(zip(cells["defense"], cells["training"], strict=True)) == {
        "none": "as it is", "wavelet keep=0.5": "as it is", "tuned": "fine-tuned",
    }  # fmt: skip
    assert "fine-tuned: mine tuned" in answer.output
    assert (folder / "mine.pt").read_bytes() == weights
    plan = plan_of(folder, text)
    requests = {job.row.entry.title: job.row.request for job in plan.of("records")}
    inventory = Inventory(plan.samples, Means(), lambda *told: pytest.fail("it was trained twice"))
    tuned = inventory.model(requests["tuned"]).classifier.state_dict()
    assert set(tuned) == {f"body.{name}" for name in net.state_dict()}
    assert any(not torch.equal(tuned[f"body.{name}"], value) for name, value in net.state_dict().items())
    bare = inventory.model(requests["none"]).classifier.state_dict()
    assert all(torch.equal(bare[f"body.{name}"], value) for name, value in net.state_dict().items())


def test_a_matrix_recipe_trains_no_model_of_somebody_else(folder):
    plan = plan_of(folder, MATRIX.replace("samples = 20", "samples = 20\nrecipe = [{ epochs = 1 }]"))
    assert {job.row.request.training for job in plan.of("records")} == {"as it is"}


# Bad input, by the command line


BAD = {
    "no such file": (["nope.py:build"], "nope.py"),
    "no such function": (["nets.py:buld"], "build"),
    "no function": (["nets.py"], "function"),
    "it raises": (["nets.py:raises"], "no such depth"),
    "it needs arguments": (["nets.py:needs"], "depth"),
    "no such zoo": (["torchvison:resnet18"], "torchvision"),
    "another number of classes": (["nets.py:eleven"], "11 logits, the data set has 10 classes"),
    "NaN": (["nets.py:Broken"], "gives NaN"),
    "it reads across the batch": (["nets.py:Batched"], "no function of one image"),
    "missing weights": (["nets.py:build", "--weights", "nope.pt"], "nope.pt"),
    "missing and unexpected keys": (["nets.py:build", "--weights", "renamed.pt"], "2.weight"),
    "weights of another width": (
        ["nets.py:build", "--weights", "mine.pt", "--argument", "width=25"],
        "of another architecture",
    ),
    "another sha256": (["nets.py:build", "--weights", "mine.pt", "--sha256", "0" * 64], "sha256"),
    "a pickle with code": (["nets.py:build", "--weights", "code.pt"], "code.pt"),
    "no file of weights": (["nets.py:build", "--weights", "nets.py"], "weights are"),
    "an empty file": (["nets.py:build", "--weights", "empty.pt"], "empty.pt"),
    "a wrong normalization": (
        ["nets.py:build", "--weights", "mine.pt", "--mean", "5", "--std", "2", "--clean-accuracy", "0.9"],
        "no `normalize`",
    ),
    "0 to 255": (
        ["nets.py:build", "--weights", "wide.pt", "--clean-accuracy", "0.9"],
        r"input_range = \[0, 255\]",
    ),
    "another order of labels": (
        ["nets.py:build", "--weights", "turned.pt", "--clean-accuracy", "0.9", "--samples", "200"],
        "class_order",
    ),
    "an order of too few classes": (["nets.py:build", "--class-order", "1,0"], "class_order has 2 entries"),
    "a mean alone": (["nets.py:build", "--mean", "0.5"], "--mean and --std"),
    "a std of zero": (["nets.py:build", "--mean", "0.5", "--std", "0"], "std"),
    "no numbers": (["nets.py:build", "--mean", "a", "--std", "b"], "numbers separated by commas"),
    "no such data set": (["nets.py:build", "--dataset", "digit"], "digits"),
    "no such norm": (["nets.py:build", "--norm", "l3"], "l2"),
    "an eps of 8": (["nets.py:build", "--eps", "8"], "8/255"),
    "no such set": (["nets.py:build", "--attacks", "all"], "quick|standard"),
    "no such library": (["nets.py:build", "--library", "fool"], "foolbox"),
    "no such defense": (["nets.py:build", "-d", "wavelt"], "wavelet"),
    "a defense that learns": (["nets.py:build", "-d", "hah"], "recipe"),
    "a configuration": (["nets.py:build", "-d", "wavelet kep=0.5"], "keep"),
    "an output that is not there": (["nets.py:build", "--output", "logits"], "output"),
    "a folder of something else": (["nets.py:build", "--out", "."], "no run folder"),
}


@pytest.fixture(scope="module")
def bad(net, tmp_path_factory):
    """The owner's folder with checkpoints that are wrong in one way each."""
    folder = own_models.write(tmp_path_factory.mktemp("bad"), net)
    state = net.state_dict()
    torch.save({name.replace("2.", "two."): value for name, value in state.items()}, folder / "renamed.pt")
    torch.save({**state, "2.weight": state["2.weight"] / 255}, folder / "wide.pt")
    turned = torch.arange(10).roll(1)
    torch.save({**state, **{name: state[name][turned] for name in ("4.weight", "4.bias")}}, folder / "turned.pt")
    torch.save({"model": net, "run": print}, folder / "code.pt")
    (folder / "empty.pt").write_bytes(b"")
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(bad, finished, tmp_path, monkeypatch, case):
    words, message = BAD[case]
    monkeypatch.chdir(bad)
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    usual = {"--dataset": "digits", "--samples": "20", "--attacks": "quick", "--library": "native", "--out": out}
    rest = [str(word) for name, value in usual.items() if name not in words for word in (name, value)]
    answer = frontdef_("evaluate", *words, *rest)
    assert answer.exit_code == 2, answer.output
    lines = [line for line in answer.output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, answer.output
    assert re.search(message, lines[0]), lines[0]
    assert "Traceback" not in answer.output
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("source", "said"), [("probabilities", "not logits"), ("half", "float32"), ("hooked", "hooks on")]
)
def test_what_is_odd_is_said_and_the_run_goes_on(bad, tmp_path, monkeypatch, source, said):
    monkeypatch.chdir(bad)
    out = tmp_path / "odd"
    answer = frontdef_(
        "evaluate", f"nets.py:{source}", "--dataset", "digits", "--samples", 20, "--attacks", "quick",
        "--library", "native", "--no-diagnose", "--out", out,
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert any(said in note for note in frontdef.load_results(out).head.notes)
    assert said.split()[0] in " ".join(answer.output.split())


@pytest.mark.slow
def test_a_source_is_no_part_of_the_parent_process(folder, tmp_path):
    """From a shell, as a user would: nothing but the files and the command."""
    command = [sys.executable, "-m", "frontdef", "evaluate", "nets.py:build", "--weights", "garbage.pt"]
    rest = ["--dataset", "digits", "--samples", "20", "--clean-accuracy", "0.9", "--out", str(tmp_path / "shell")]
    ended = subprocess.run([*command, *rest], cwd=folder, env=dict(os.environ), capture_output=True, text=True)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.count("error: ") == 1
    assert "Traceback" not in ended.stderr
    assert not Path(tmp_path / "shell").exists()


def test_the_document_of_a_run_holds_what_makes_it_again(finished, folder):
    document = json.loads((finished / "run.json").read_text(encoding="utf-8"))["document"]
    assert Path(document["base"]) == folder
    assert parse_matrix(MATRIX).base == ""
    with pytest.raises(ModelError):
        make_plan(parse_matrix(MATRIX))
