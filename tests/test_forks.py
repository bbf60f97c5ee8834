"""A fork that stands for a process of its own does what that would, and leaves this one as it is."""

from __future__ import annotations

import json
import os
import sys
import warnings

from tests.forks import in_child, python

SAYS = """
import json, os, sys, warnings
import only_there
print(json.dumps([__name__, only_there.value, sys.argv, sys.stdin.read(), os.environ.get("SAID"), len(os.environ)]))
warnings.warn("deprecated", DeprecationWarning)
warnings.warn("mind the step")
os.chdir("/")
"""


def test_it_is_told_what_a_process_is_told_and_changes_nothing_here(tmp_path):
    (tmp_path / "only_there.py").write_text("value = 7")
    before = (os.getcwd(), dict(os.environ), list(sys.path), set(sys.modules), list(warnings.filters))
    ended = python("-c", SAYS, "a", "b", environment={"PYTHONPATH": str(tmp_path), "SAID": "yes"})
    assert before == (os.getcwd(), dict(os.environ), list(sys.path), set(sys.modules), list(warnings.filters))
    assert json.loads(ended.out) == ["__main__", 7, ["-c", "a", "b"], "", "yes", 2]
    assert "UserWarning: mind the step" in ended.err
    assert "deprecated" not in ended.err
    assert ended.code == 0


def test_it_ends_as_a_process_ends():
    ends = {"": 0, "raise SystemExit": 0, "raise SystemExit(3)": 3, "raise SystemExit('so')": 1, "1 / 0": 1}
    assert {code: python("-c", code).code for code in ends} == ends
    assert python("-c", "raise SystemExit('so')").err == "so\n"
    assert "ZeroDivisionError" in python("-c", "1 / 0").err
    assert python("-c", "import os; os.kill(os.getpid(), 9)").code == -9


def test_the_command_line_is_a_module_of_it(tmp_path):
    ended = python("-m", "frontdef", "run", str(tmp_path / "gone.toml"))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "gone.toml" in ended.err


def test_what_it_answers_is_given_back():
    assert in_child(lambda: [os.getpid(), 1])[0] != os.getpid()
