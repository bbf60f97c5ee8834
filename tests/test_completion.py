"""The shell completes names of what is installed; `doctor` finds builds that do not go together and old runs."""

from __future__ import annotations

import json

import pytest
from click.shell_completion import ShellComplete

from frontdef.cli import main
from frontdef.cli.doctor import _matched, _stored
from tests.stored_runs import matrix_run


@pytest.mark.parametrize(
    ("words", "incomplete", "completed"),
    [
        (["check"], "wave", ["wavelet"]),
        (["train"], "no", ["none"]),
        (["run", "--defense"], "none,wave", ["none,wavelet"]),
        (["evaluate", "nets.py:build", "--dataset"], "digits-", ["digits-3-7"]),
        (["plan", "--library"], "torcha", ["torchattacks"]),
        ([], "diag", ["diagnose"]),
    ],
)
def test_names_are_completed(words, incomplete, completed):
    complete = ShellComplete(main, {}, "frontdef", "_FRONTDEF_COMPLETE")
    assert [item.value for item in complete.get_completions(words, incomplete)] == completed


@pytest.mark.parametrize(
    ("torch", "torchvision", "state"),
    [
        ("2.6.0", "0.21.0", "ok"),
        ("2.6.0+cpu", "0.21.0+cpu", "ok"),
        ("2.6.0+cpu", "0.21.0", "ok"),
        ("2.6.0+cpu", "0.21.0+cu124", "failed"),
        ("2.7.0+cpu", "0.21.0+cpu", "failed"),
    ],
)
def test_a_torch_beside_another_torchvision_is_found(torch, torchvision, state):
    found = _matched(torch, torchvision, ["numpy", "torch==2.6.0"])
    assert found.state == state
    assert ("mend: " in found.about) == (state == "failed")


def test_an_old_run_and_a_plugin_that_is_gone_are_found(tmp_path):
    run = matrix_run(tmp_path / "run", codes={"frontdef": "1", "frontdef-gone": "2"})
    found = _stored(run)
    assert found.state == "missing"
    assert "pip install frontdef-gone" in found.about
    assert _stored(matrix_run(tmp_path / "whole")).state == "ok"
    values = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**values, "format": 1}), encoding="utf-8")
    old = _stored(run)
    assert old.state == "failed"
    assert "format" in old.about
