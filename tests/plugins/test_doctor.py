"""``frontdef doctor`` contains crashes and hangs, and says what it saw."""

from __future__ import annotations

from functools import partial

import pytest

from frontdef.cli import doctor
from frontdef.cli.probe import probe
from frontdef.models.cache import ModelCache
from frontdef.registry import PluginStatus

HOOK = "import frontdef\n@frontdef.hookimpl\ndef frontdef_defenses():\n    yield "
FINE = HOOK + "frontdef.Defense('x', front_end='frontdef_x:X')\nclass X: pass\n"

# What a plugin does when it is imported → how the diagnosis begins.
PLUGINS = {
    "crash": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "0.1.0: crashed with SIGSEGV"),
    "hang": ("import time\ntime.sleep(600)", "0.1.0: not done after 4 s, killed"),
    "leave": ("import os\nos._exit(0)", "0.1.0: ended the process before it was done"),
    "abort": ("import os\nos._exit(7)", "0.1.0: ended the process with exit code 7"),
    "raise": ("raise RuntimeError('no luck')", "RuntimeError: no luck, raised on import"),
    "noise": ("print('{')\n" + FINE, "0.1.0, imported in "),
}


@pytest.fixture
def check(site, monkeypatch):
    """Diagnoses the plugin `x` of the site folder; torch, which front ends need, is left to the whole diagnosis."""
    monkeypatch.setenv("PYTHONPATH", str(site.folder))
    monkeypatch.setattr(doctor, "_PLUGIN", doctor._PLUGIN.replace('"resolve"', '"import"'))
    return partial(doctor._plugin, PluginStatus("x", "frontdef-x", "0.1.0"))


@pytest.mark.parametrize("behavior", PLUGINS)
def test_what_a_plugin_does_to_its_process_stays_there(site, check, behavior):
    source, about = PLUGINS[behavior]
    site.install("frontdef-x", source)
    finding = check(4 if behavior == "hang" else 60)
    assert finding.about.startswith(about)
    assert finding.state == ("ok" if behavior == "noise" else "failed")
    if finding.state == "failed":
        assert "mend: " in finding.about
        assert "frontdef-x" in finding.about


def test_a_plugin_that_is_not_used_is_not_run():
    row = PluginStatus("x", "frontdef-x", "0.1.0", "disabled", "left out", "let it in")
    finding = doctor._plugin(row, 12)
    assert (finding.state, finding.about) == ("missing", "0.1.0 is disabled: left out\nmend: let it in")


def test_the_cache_is_the_runners(monkeypatch, tmp_path):
    for folder in (str(tmp_path / "new" / "cache"), None):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        monkeypatch.delenv("FRONTDEF_CACHE") if folder is None else monkeypatch.setenv("FRONTDEF_CACHE", folder)
        finding = doctor._cache()
        assert finding.state == "ok"
        assert finding.about.startswith(f"{ModelCache().root} can be written, ")


def test_a_cache_that_cannot_be_written_is_found(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path / "file" / "cache"))
    finding = doctor._cache()
    assert finding.state == "failed"
    assert "mend: set FRONTDEF_CACHE" in finding.about


def test_missing_data_are_found(monkeypatch, tmp_path):
    monkeypatch.setenv("FRONTDEF_DATA", str(tmp_path / "gone"))
    assert doctor._data().state == "failed"
    monkeypatch.setenv("FRONTDEF_DATA", str(tmp_path))
    assert doctor._data() == doctor.Symptom("ok", f"FRONTDEF_DATA={tmp_path}")
    monkeypatch.delenv("FRONTDEF_DATA")
    assert doctor._data().state == "ok"


def test_libraries_are_imported_elsewhere():
    assert doctor._library("click", "click", 30).about.endswith(" s")
    assert doctor._library("click", "surely_not_there", 30).state == "failed"
    missing = doctor._library("surely-not-there", "surely_not_there", 30)
    assert (missing.state, "pip install" in missing.about) == ("missing", True)


def test_requirements_are_met_here():
    assert doctor._requirements().state == "ok"


def test_a_probe_answers():
    outcome = probe("answer = {'sum': 1 + 1}\nprint('noise')", timeout=30, environment={"X": "1"})
    assert (outcome.fault, outcome.answer) == ("", {"sum": 2})


@pytest.mark.slow
def test_the_whole_diagnosis(site):
    ended = site.install("frontdef-x", "raise RuntimeError('no luck')").cli("doctor", FRONTDEF_PLUGINS="good,x")
    assert ended.code == 1
    states = {line.split()[0]: line.split()[1] for line in ended.out.splitlines() if not line.startswith(" ")}
    assert (states["frontdef"], states["frontdef-good"], states["frontdef-x"]) == ("ok", "ok", "failed")
    assert states["torch"] == states["art"] == states["devices"] == "ok"
    assert ended.err.endswith("failed: frontdef-x\n")
    assert max(map(len, ended.out.splitlines())) <= 100
