"""Lists and reasons keep to a terminal of 80 columns, and lose nothing by it."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from frontdef import load_results
from frontdef.cli import main
from frontdef.cli.text import print_table
from frontdef.counts import plural
from frontdef.verdicts.causes import causes

SAMPLE = runpy.run_path(str(Path(__file__).with_name("report_sample.py")))

LISTS = (["ls", "attacks"], ["ls", "datasets"], ["ls", "defenses"], ["ls", "models"], ["plugins"])


def told(*arguments, columns=80):
    ended = CliRunner(env={"COLUMNS": str(columns)}).invoke(main, list(map(str, arguments)))
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def letters(text):
    return Counter(letter for letter in text if not letter.isspace())


def widest(text):
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_lists_are_wrapped_and_whole(arguments):
    narrow = told(*arguments)
    assert widest(narrow) <= 80
    if arguments != ["plugins"]:  # its line to be pasted is cut with marks of its own
        assert letters(narrow) == letters(told(*arguments, columns=100))


def test_a_word_longer_than_its_column_is_broken_not_dropped(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    print_table(("A", "B", "C"), [("a" * 40, "b" * 30 + " x", "word " * 9), ("short", "", "")])
    written = capsys.readouterr().out
    assert widest(written) <= 60
    assert letters(written) == letters("ABC" + "a" * 40 + "b" * 30 + "x" + "word" * 9 + "short")


def test_reasons_and_causes_are_wrapped(tmp_path):
    run = SAMPLE["make_run"](tmp_path / "run")
    for arguments in (["results", run], ["results", run, "--agreement"]):
        lines = [line for line in told(*arguments).splitlines() if not line.startswith("not all of it")]
        assert max(map(len, lines)) <= 80, arguments


def test_a_cause_is_told_once_with_how_often_and_where(tmp_path):
    run = SAMPLE["make_run"](tmp_path / "run")
    said = " ".join(told("results", run, "--agreement").split())
    found = causes(load_results(run).agreement())
    assert len(found) < sum(len(cause.rows) for cause in found)
    assert said.count(" left the threat model") == sum(cause.verdict == "invalid" for cause in found)
    for cause in found:
        assert f": {plural(len(cause.rows), 'comparison', 'comparisons')} (same parameters)" in said
        assert cause.where in said
