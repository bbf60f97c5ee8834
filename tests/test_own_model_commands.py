"""``diagnose``, ``train`` and ``analyze`` take the model that ``evaluate`` takes."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

import frontdef
from frontdef.analysis.live import analyze
from frontdef.analysis.study import parse_study
from frontdef.cli import main
from frontdef.errors import ConfigError
from frontdef.registry import get_dataset
from tests import own_models

MINE = ("--model", "nets.py:build", "--weights", "mine.pt", "--dataset", "digits")


@pytest.fixture(scope="module")
def net():
    return own_models.trained()


@pytest.fixture
def folder(net, tmp_path, monkeypatch):
    folder = own_models.write(tmp_path / "owner", net)
    monkeypatch.chdir(folder)
    return folder


def frontdef_(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


# diagnose


def test_diagnose_asks_the_users_model(folder):
    answer = frontdef_("diagnose", *MINE, "--samples", 24, "--eps", "8/255", "--json")
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert (told["n"], told["norm"], told["verdict"]) == (24, "linf", "trusted")
    assert told["eps"] == 8 / 255


def test_diagnose_puts_a_defense_in_front_of_it(folder):
    answer = frontdef_("diagnose", *MINE, "wavelet", "keep=0.5", "--samples", 12)
    assert answer.exit_code in (0, 1), answer.output
    assert "wavelet keep=0.5" in answer.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "NAME of a defense, or --model"),
        (("--model", "nets.py:build"), "--dataset"),
        (("wavelet", "--weights", "mine.pt"), "--weights belongs to a model of yours"),
        (("wavelet", "--dataset", "digits"), "--dataset is of a model of yours"),
        ((*MINE, "hah"), "learns"),
        ((*MINE[:2], "--weights", "garbage.pt", *MINE[4:], "--clean-accuracy", "0.9"), "Nothing was attacked"),
        ((*MINE, "--samples", "100000"), "500"),
    ],
)
def test_diagnose_tells_what_is_missing(folder, words, message):
    answer = frontdef_("diagnose", *words)
    assert answer.exit_code == 2, answer.output
    assert message in answer.output
    assert "Traceback" not in answer.output


# evaluate


def test_evaluate_takes_defenses_as_run_and_analyze_do(folder):
    words = ("evaluate", "nets.py:build", "--weights", "mine.pt", "--dataset", "digits", "--samples", 4)
    asked = ("--norm", "linf", "--attacks", "quick", "--library", "foolbox", "-d", "none,art-jpeg")
    answer = frontdef_(*words, *asked, "-d", "wavelet keep=0.5", "--out", "several")
    assert answer.exit_code == 0, answer.output
    worst = frontdef.load_results("several").worst()
    assert sorted(worst["defense"]) == ["art-jpeg", "none", "wavelet keep=0.5"]


# check-attack


def test_check_attack_asks_the_invariants_on_the_users_model(folder):
    answer = frontdef_("check-attack", "native:pgd", "--norm", "linf", *MINE, "--eps", "0.1", "--json")
    assert answer.exit_code == 0, answer.output
    (told,) = json.loads(answer.stdout)
    assert (told["model"], told["eps"], told["norm"]) == ("mine", 0.1, "linf")
    words = {finding["name"]: finding["measured"] for finding in told["findings"]}
    assert "of 24 outside" in words["norm and box"]
    assert "of 24 at ε/2, ε, 2ε" in words["grows with ε"]
    assert not [finding for finding in told["findings"] if finding["status"] == "alarm"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("native:pgd", "--dataset", "digits"), "--dataset is of a model of yours"),
        (("native:pgd", "--eps", "0.1"), "--eps is of a model of yours"),
        (("native:pgd", *MINE, "--eps", "0.1"), "--norm linf --eps"),
        (("native:pgd", *MINE[:4]), "--dataset"),
        (("native:pgd", *MINE[:2], "--weights", "garbage.pt", *MINE[4:], "--samples", "12"), "images right"),
        (("native:pgd", *MINE[:2], "--weights", "none.pt", *MINE[4:]), "none.pt"),
    ],
)
def test_check_attack_tells_what_is_missing(folder, words, message):
    answer = frontdef_("check-attack", *words)
    assert answer.exit_code == 2, answer.output
    assert message in answer.output
    assert "Traceback" not in answer.output


# train


def test_train_fine_tunes_the_users_model_behind_a_defense(folder, net):
    weights = (folder / "mine.pt").read_bytes()
    answer = frontdef_(
        "train", "wavelet", "keep=0.5", *MINE, "--stage", "epochs=1 lr=0.01", "--out", "tuned.safetensors"
    )
    assert answer.exit_code == 0, answer.output
    assert (folder / "mine.pt").read_bytes() == weights
    images = get_dataset("digits").load("test").take(20, 0).images
    assert frontdef.load("wavelet", weights="tuned.safetensors").front_end.config.keep == 0.5
    tuned = own_models.network()
    from frontdef.models.state import read_state

    state, _ = read_state(folder / "tuned.safetensors", "classifier.body")
    tuned.load_state_dict(state)
    assert any(not torch.equal(value, net.state_dict()[name]) for name, value in state.items())
    protected = frontdef.protect(tuned, "wavelet", weights="tuned.safetensors")
    assert protected(images).shape == (20, 10)
    with pytest.raises(ConfigError, match="whose code is not in the file"):
        frontdef.protect(None, "wavelet", weights="tuned.safetensors")


def test_what_train_writes_is_evaluated_as_the_message_says(folder):
    assert frontdef_("train", "none", *MINE, "--stage", "epochs=1", "--out", "t.safetensors").exit_code == 0
    answer = frontdef_(
        "evaluate", "nets.py:build", "--weights", "t.safetensors", "--weights-key", "classifier.body", "--dataset",
        "digits", "--samples", 20, "--attacks", "quick", "--library", "native", "--no-diagnose", "--out", "run",
        "--clean-accuracy", 0.8,
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none", *MINE, "--classifier", "fc2"), "give one of the two"),
        (("none", "--weights", "mine.pt"), "--weights belongs to a model of yours"),
        (("none", *MINE, "--stage", "epoch=1"), "did you mean 'epochs'"),
        (("none", *MINE[:2], "--weights", "garbage.pt", *MINE[4:], "--clean-accuracy", "0.9"), "Nothing was attacked"),
    ],
)
def test_train_tells_what_is_wrong(folder, words, message):
    answer = frontdef_("train", *words, "--out", "t.safetensors")
    assert answer.exit_code == 2, answer.output
    assert message in answer.output
    assert "Traceback" not in answer.output
    assert not (folder / "t.safetensors").exists()


def test_a_stage_is_for_models_that_are_trained_here_too(folder):
    answer = frontdef_("train", "none", "--classifier", "fc2", "--train-samples", 100, "--stage", "epochs=1")
    assert answer.exit_code == 0, answer.output
    assert "epoch 1/1" in answer.output


# analyze

STUDY = """
name = "mine"
samples = 20
what = ["psr", "weights"]
attack = { eps = 0.1, steps = 2 }
[[model]]
name = "mine"
source = "nets.py:build"
weights = "mine.pt"
clean_accuracy = 0.85
[[model]]
name = "behind"
source = "nets.py:build"
weights = "mine.pt"
defense = "wavelet"
config = { keep = 0.5 }
"""


@pytest.fixture
def study(folder):
    path = folder / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def test_a_study_looks_at_models_of_the_users(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = frontdef_("analyze", study, "--out", "looked")
    assert answer.exit_code == 0, answer.output
    results = frontdef.load_results("looked")
    assert results.models() == ["mine", "behind"]
    psr = results.table("psr")
    assert set(psr["model"]) == {"mine", "behind"}
    assert psr["db"].notna().all()
    assert len(results.table("filters"))
    assert any("right on clean images" in note for note in results.head.notes)


def test_results_report_and_retry_know_a_study(study, tmp_path, monkeypatch):
    out = tmp_path / "looked"
    assert frontdef_("analyze", study, "--out", out).exit_code == 0
    monkeypatch.chdir(tmp_path)
    assert "perturbation-to-signal" in frontdef_("results", out).output
    for path in (out / "ratios").glob("*.parquet"):
        path.unlink()
    again = frontdef_("retry", out)
    assert again.exit_code == 0, again.output
    assert "2 jobs run" in again.output
    assert set(frontdef.load_results(out).table("psr")["model"]) == {"mine", "behind"}
    page = frontdef_("report", out, "--out", tmp_path / "page.html")
    assert page.exit_code == 0
    assert "perturbation" in (tmp_path / "page.html").read_text(encoding="utf-8").lower()
    assert frontdef_("verify", out).exit_code == 0


def test_a_study_of_one_model_by_the_command_line(folder, tmp_path):
    words = ("--samples", 20, "--steps", 2, "--what", "psr", "-d", "none,wavelet", "--out", tmp_path / "line")
    answer = frontdef_("analyze", *MINE, *words)
    assert answer.exit_code == 0, answer.output
    results = frontdef.load_results(tmp_path / "line")
    assert results.models() == ["mine", "mine wavelet"]
    assert "--model nets.py:build" in results.head.command
    assert "--weights mine.pt" in results.head.command


def test_a_live_analysis_is_not_taken_for_another_study(net, tmp_path):
    split = get_dataset("digits").load("test").take(12, 0)
    results = analyze({"mine": net}, split.images, split.labels, out=tmp_path / "live", what=("weights",))
    before = (results.path / "run.json").read_bytes()
    answer = frontdef_("retry", results.path)
    assert answer.exit_code == 2
    assert "the same call" in answer.output
    assert (results.path / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("source =", "sourc ="), "did you mean 'source'"),
        (('weights = "mine.pt"\ndefense', 'weigths = "mine.pt"\ndefense'), "did you mean 'weights'"),
        (('name = "behind"', 'name = "mine"'), "one name"),
        (('what = ["psr", "weights"]', 'what = ["partial"]\npartial = { natural = "mine" }'), "somebody else's"),
    ],
)
def test_a_study_tells_what_is_wrong(study, change, message):
    study.write_text(STUDY.replace(*change), encoding="utf-8")
    answer = frontdef_("analyze", study)
    assert answer.exit_code == 2, answer.output
    assert message in answer.output
    assert "Traceback" not in answer.output


def test_a_refused_model_is_not_looked_at(study, tmp_path):
    study.write_text(STUDY.replace("mine.pt", "garbage.pt", 1), encoding="utf-8")
    answer = frontdef_("analyze", study, "--out", tmp_path / "looked")
    assert answer.exit_code == 2
    assert "Nothing was attacked" in answer.output
    assert not (tmp_path / "looked").exists()


def test_rows_of_both_kinds_are_told_apart_by_their_source():
    rows = parse_study('[[model]]\nname = "none"\n[[model]]\nname = "mine"\nsource = "nets.py:build"\n').model
    assert [type(row).__name__ for row in rows] == ["ModelEntry", "OwnEntry"]
