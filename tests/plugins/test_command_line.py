"""The command line: every command of the table exists, and what the user can mend is told in one line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from frontdef.cli import COMMANDS, main


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_helps(name):
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: main {name}")
    assert COMMANDS[name].help in run("--help").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pluginz",), "error: unknown command 'pluginz'. Did you mean 'plugins'?"),
        (("ls", "defences"), "error: unknown command 'defences'. Did you mean 'defenses'?"),
        (("ls", "defenses", "--norm", "inf"), "error: unknown norm 'inf'. Did you mean 'linf'?"),
        (("ls", "attacks", "--library", "ART"), "error: unknown attack library 'ART'."),
        (("new-plugin", "Not Valid"), "error: a plugin's name is lower case letters"),
    ],
)
def test_what_the_user_can_mend_is_one_line(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_a_missing_package_is_named(site):
    """Without rich, `frontdef run` says what to install; the commands that need nothing still work."""
    (site.folder / "sitecustomize.py").write_text("import sys\nsys.modules['rich.console'] = None\n", encoding="utf-8")
    ended = site.cli("results", "--help")
    assert ended.code == 2
    assert ended.err == (
        'error: `frontdef results` needs rich, which is not installed. Mend: pip install "frontdef[bench]"\n'
    )
    assert site.cli("plugins").code == 0
