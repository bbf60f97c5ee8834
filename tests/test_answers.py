"""``--json`` on every command: one answer for programs, whatever people are told, and however the command ends."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from frontdef.cli import main
from tests import own_models
from tests.stored_runs import matrix_run
from tests.test_analysis_run import STUDY


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name), (*words, name))


COMMANDS = dict(leaves(main))


def frontdef_(*words):
    """A command, in this process: its exit code, and the JSON that it printed."""
    answered = CliRunner().invoke(main, [str(word) for word in words])
    return answered.exit_code, json.loads(answered.stdout)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_it(words):
    assert sum("--json" in option.opts for option in COMMANDS[words].params) == 1


@pytest.mark.parametrize(
    "command", ["report", "verify", "compact", "retry", "bundle", "merge", "run", "train", "check", "results"]
)
def test_what_goes_wrong_is_an_answer_too(command, tmp_path):
    more = ("--out", tmp_path / "out") if command == "merge" else ("--dataset", "digits") if command == "train" else ()
    code, said = frontdef_(command, tmp_path / "nothing", *more, "--json")
    assert code == 2
    assert "nothing" in said["error"]
    code, said = frontdef_(command, "--json", "--no-such-option")
    assert code == 2
    assert "--no-such-option" in said["error"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return matrix_run(tmp_path_factory.mktemp("answers") / "run")


def test_what_reads_a_run_answers(run, tmp_path):
    code, said = frontdef_("verify", run, "--json")
    assert (code, said["damaged"], said["run"]) == (0, [], str(run))
    assert said["read"] > 1
    code, said = frontdef_("plan", run, "--json")
    assert code == 0
    assert {job["stored"] for job in said["jobs"]} == {"yes", "no", "failed"}
    code, said = frontdef_("report", run, "--out", tmp_path / "page.html", "--json")
    assert (code, said["report"]) == (0, str(tmp_path / "page.html"))
    code, said = frontdef_("new-plugin", "answering", "--into", tmp_path, "--json")
    assert (code, said["folder"]) == (0, str(tmp_path / "frontdef-answering"))


def test_people_are_told_the_same_on_standard_error(run):
    plain, asked = (CliRunner().invoke(main, ["verify", str(run), *more]) for more in ((), ("--json",)))
    assert asked.stderr == plain.stdout
    assert plain.stdout


MATRIX = """
name = "tiny"
samples = 16
datasets = ["digits"]
classifiers = ["fc2"]
libraries = ["native"]
train_samples = 60

[[defense]]
name = "none"
recipe = [{ epochs = 1 }]

[[attack]]
family = "fgsm"
norm = "linf"
eps = [0.1]
"""


def test_what_computes_answers_with_what_came_of_it(tmp_path):
    (tmp_path / "tiny.toml").write_text(MATRIX)
    (tmp_path / "study.toml").write_text(STUDY)
    asked = ("run", tmp_path / "tiny.toml", "--out", tmp_path / "run", "--json")
    code, said = frontdef_(*asked)
    assert (code, len(said["ran"]), said["stored"], said["failed"]) == (0, 2, 0, [])
    assert [(row["defense"], row["eps"], row["n"]) for row in said["worst"]] == [("none", 0.1, 16)]
    again = frontdef_(*asked)[1]
    assert (again["ran"], again["stored"], again["worst"]) == ([], 2, said["worst"])
    code, said = frontdef_("analyze", tmp_path / "study.toml", "--out", tmp_path / "study", "--json")
    assert (code, len(said["models"]), said["failed"]) == (0, STUDY.count("[[model]]"), [])
    weights = tmp_path / "weights.safetensors"
    small = ("--dataset", "digits", "--classifier", "fc2", "--stage", "epochs=1")
    code, said = frontdef_("train", "none", *small, "--out", weights, "--json")
    assert (code, said["path"], said["n"]) == (0, str(weights), 500)
    assert said["low"] < said["test_accuracy"] < said["high"]


def test_evaluate_answers_for_a_model_that_its_user_has(tmp_path, monkeypatch):
    monkeypatch.chdir(own_models.write(tmp_path / "owner", own_models.trained()))
    mine = ("nets.py:build", "--weights", "mine.pt", "--dataset", "digits")
    quick = ("--samples", 16, "--eps", "0.1", "--attacks", "quick", "--library", "native", "--no-diagnose")
    code, said = frontdef_("evaluate", *mine, *quick, "--out", tmp_path / "run", "--json")
    assert (code, said["failed"], said["run"]) == (0, [], str(tmp_path / "run"))
    assert [(row["norm"], row["eps"], row["n"]) for row in said["worst"]] == [("linf", 0.1, 16)]


@pytest.mark.slow
def test_doctor_answers_with_every_check():
    code, said = frontdef_("doctor", "--json")
    assert code == (1 if said["failed"] else 0)
    assert {"torch", "art", "frontdef"} <= set(said["checks"])
    assert all(set(check) == {"state", "found"} for check in said["checks"].values())
