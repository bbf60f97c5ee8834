"""Command lines that mean nothing: one line on standard error and exit code 2, never a traceback unless asked for."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from frontdef.cli import main
from frontdef.cli.group import whole_traceback
from frontdef.errors import ConfigError

LONG = "a" * 5_000
SENSELESS = [
    ("run", "--samples", "0"), ("run", "--samples", "-1"), ("run", "--out", ""), ("run", "--out", "a\0b"),
    ("run", "--out", LONG), ("run", "--seed", "-1"), ("run", "--seed", "9" * 30), ("run", "--time-limit", "nan"),
    ("run", "--time-limit", "0"), ("run", "--jobs", "0"), ("run", "--data", ""), ("run", "--cache", "\0"),
    ("run", "--device", LONG), ("run", "--dataset", LONG), ("run", "--dataset", f"imagefolder:{LONG}"),
    ("run", "--dataset", "imagefolder:~nouser/x"), ("run", "--dataset", "arrays:~nouser/x.npz"),
    ("run", "--dataset", "imagefolder:"), ("run", "--dataset", "arrays:/dev/zero"), ("run", "--defense", "none,"),
    ("run", "--defense", LONG), ("run", "--library", ","), ("plan", "/dev/zero"), ("plan", ""), ("plan", "/"),
    ("results", ""), ("results", "/dev/zero"), ("results", LONG), ("results", "a\0b"), ("report", "x", "--out", ""),
    ("verify", "\0"), ("retry", "/dev/null"), ("analyze", "--samples", "0"), ("analyze", "--p", "nan"),
    ("analyze", "--eps", "-1"), ("analyze", "--eps", "1e999999999"), ("analyze", "--what", ","),
    ("analyze", "--steps", "0"), ("check", "none", "x=" + "[" * 300), ("check", "none", "--image-shape", "1,-3,3"),
    ("check", "none", "--image-shape", "1,99999999,99999999"), ("check", "none", "--image-shape", "9" * 5_000),
    ("train", "none", "--out", ""), ("train", "none", "--stage", "epochs='"), ("train", "none", "--seed", str(2**80)),
    ("train", LONG), ("evaluate", "", "--dataset", "digits"), ("evaluate", "\0.py:f", "--dataset", "digits"),
    ("evaluate", "/dev/zero:f", "--dataset", "digits"), ("evaluate", "/dev/zero.py:f", "--dataset", "digits"),
    ("evaluate", "a..b:c", "--dataset", "digits"), ("evaluate", ".a:c", "--dataset", "digits"),
    ("evaluate", f"{LONG}.py:f", "--dataset", "digits"), ("evaluate", "x.py:f", "--dataset", "digits", "-d", "'"),
    ("evaluate", "x.py:f", "--dataset", "digits", "--eps", "1e999999999"), ("diagnose", "none", "--eps", "0"),
    ("evaluate", "x.py:f", "--dataset", "digits", "--clean-accuracy", "nan"), ("diagnose", "none", "--eps", "1e400"),
    ("evaluate", "x.py:f", "--dataset", "digits", "--weights", "a\0b"), ("check-attack", "native:pgd", "--eps", "1"),
    ("new-plugin", ""), ("new-plugin", "../x"), ("new-plugin", LONG), ("ls", "defenses", "--norm", LONG),
    (LONG,), ("ls", LONG), ("plugins", "--nothing"),
]  # fmt: skip


@pytest.mark.parametrize("words", SENSELESS, ids=lambda words: " ".join(words)[:60].encode("unicode_escape").decode())
def test_senseless_command_lines_end_in_one_error(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, list(words))
    assert ended.exit_code == 2, whole_traceback(ended.exception.__context__ or ended.exception)
    assert len(ended.stderr) < 3_000
    assert "Traceback" not in ended.output
    assert not list(tmp_path.iterdir())


def test_debug_shows_the_whole_traceback_wherever_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (["--debug", "plan", "missing.toml"], ["plan", "missing.toml", "--debug"]):
        ended = CliRunner().invoke(main, words)
        assert ended.exit_code == 2
        assert "FileNotFoundError" in ended.stderr, "the cause, which the message leaves out"
        assert "ConfigError: cannot read missing.toml" in ended.stderr


def test_a_fault_of_the_program_is_one_line_too_and_debug_shows_it(monkeypatch):
    def broken(*_, **__):
        raise LookupError("a fault in\nthe program \x1b[31m")

    monkeypatch.setattr("frontdef.matrix.entries.parse_matrix", broken)
    ended = CliRunner().invoke(main, ["plan"])
    assert ended.exit_code == 70
    assert ended.stderr.startswith("error: LookupError: a fault in the program \N{REPLACEMENT CHARACTER}[31m")
    assert "--debug" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "in broken" in CliRunner().invoke(main, ["plan", "--debug"]).stderr


def test_a_whole_traceback_has_what_was_left_out():
    try:
        try:
            raise LookupError("the cause")
        except LookupError:
            raise ConfigError("the message") from None
    except ConfigError as error:
        told = whole_traceback(error)
    assert "LookupError: the cause" in told
    assert "ConfigError: the message" in told
