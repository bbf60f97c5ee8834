"""``--json`` on every command: one answer for programs, whatever people are told, and however the command ends."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from frontdef.cli import main
from tests.stored_runs import matrix_run


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
