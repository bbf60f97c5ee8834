"""The command line: every command of the table exists, and what the user can mend is told in one line."""

from __future__ import annotations

import subprocess
import sys

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


def test_no_command_of_the_core_alone_ends_in_a_fault(site):
    """Whatever package a command asks for first, and however late."""
    extra = ["duckdb", "filelock", "jinja2", "matplotlib", "pandas", "platformdirs", "pyarrow", "rich"]
    (site.folder / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({extra}))\n", encoding="utf-8"
    )
    for command in (["plan"], ["status", "runs/x"], ["retry", "runs/x"]):
        ended = site.cli(*command)
        assert ended.code == 2, ended.err
        assert "which is not installed. Mend: pip install" in ended.err


def test_the_core_alone_names_the_extra_and_tests_what_it_can(site):
    """Without the runner's packages its names say what to install, and a promise is not tested, not broken."""
    said = site.ask(
        """
        import json, sys
        extra = ["duckdb", "eagerpy", "foolbox", "pandas", "pyarrow", "rich", "torchattacks"]
        for name in list(sys.modules):
            if name.partition(".")[0] in extra or name.startswith("frontdef"):
                del sys.modules[name]
        sys.modules.update(dict.fromkeys(extra))
        import frontdef
        from frontdef.checks.conformance import CHECKS, Subject
        found = {}
        try:
            frontdef.load_results("runs/digits")
        except ImportError as error:
            found["runner"] = str(error)
        checks = {check.name: check for check in CHECKS}
        subject = Subject("none", {}, (1, 28, 28))
        for name in ("gradient parity", "save and load"):
            finding = checks[name](subject)
            found[name] = [finding.status, finding.measured]
        print(json.dumps(found))
        """,
        run=site.forked,
    )
    assert "frontdef.load_results needs" in said["runner"]
    assert said["runner"].endswith('pip install "frontdef[bench]"')
    assert said["gradient parity"][0] == "not tested"
    assert 'needs foolbox, which is not installed. Mend: pip install "frontdef[bench]"' in said["gradient parity"][1]
    assert said["save and load"][0] == "passed"


def test_whoever_reads_may_stop():
    """``frontdef ls attacks | head -1`` is no fault of frontdef."""
    command = subprocess.Popen(
        [sys.executable, "-m", "frontdef", "ls", "attacks"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    command.stdout.close()
    assert command.stderr.read() == ""
    assert command.wait() == 1
