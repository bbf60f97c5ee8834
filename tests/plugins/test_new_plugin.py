"""``frontdef new-plugin`` writes a distribution that installs, is listed without an ML import, and works at once."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from frontdef.cli import main
from frontdef.cli.new_plugin import KINDS, files_of

from .conftest import new_site


def new_plugin(name, into, kind="defense"):
    return CliRunner().invoke(main, ["new-plugin", name, "--kind", kind, "--into", str(into)])


def installer():
    """The command of an installer that is at hand: pip, or uv where the environment has no pip."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--python", sys.executable]
    pytest.skip("neither pip nor uv is installed")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The site folder, and the source folder of a plugin of each kind, built by hatchling and installed, offline."""
    if not importlib.util.find_spec("hatchling"):
        pytest.skip("hatchling is not installed")
    site = new_site(tmp_path_factory.mktemp("site"))
    source = tmp_path_factory.mktemp("source")
    for kind in KINDS:
        assert new_plugin(f"tiny-{kind}", source, kind).exit_code == 0
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--target", str(site.folder)]
    folders = [str(source / f"frontdef-tiny-{kind}") for kind in KINDS]
    subprocess.run([*installer(), *offline, *folders], check=True, capture_output=True, text=True, timeout=240)
    return site, source


def test_each_kind_is_listed_without_an_ml_import(installed):
    site, _ = installed
    rows = {row["name"]: row for row in json.loads(site.cli("plugins", "--json").out)}
    for kind, about in KINDS.items():
        name = f"tiny-{kind}"
        assert rows[name] | {"disable": "", "offers": ""} == {
            "name": name, "distribution": f"frontdef-{name}", "version": "0.1.0", "status": "ok", "reason": "",
            "mend": "", "disable": "", "offers": "",
        }  # fmt: skip
        assert list(rows[name]["offers"]) == [about.offers]
    assert rows["good"]["status"] == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(installed, kind):
    site, source = installed
    ended = site.run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(source / f"frontdef-tiny-{kind}"))
    assert ended.code == 0, ended.out
    assert " skipped" not in ended.out


@pytest.mark.slow
def test_a_model_of_a_zoo_is_evaluated_by_its_name(installed, tmp_path):
    """Path: my zoo, as the README says that the template writes."""
    site, source = installed
    readme = (source / "frontdef-tiny-models" / "README.md").read_text(encoding="utf-8")
    (command,) = [line for line in readme.splitlines() if line.startswith("frontdef evaluate ")]
    small = ["--samples", "6", "--attacks", "quick", "--library", "native", "--no-diagnose"]
    ended = site.cli(*command.split()[1:], *small, "--out", str(tmp_path / "run"))
    assert ended.code == 0, ended.err
    misspelt = site.cli("evaluate", "tiny-models:linaer", "--dataset", "digits", "--out", str(tmp_path / "other"))
    assert misspelt.code == 2
    assert "it has linear" in misspelt.err


@pytest.mark.parametrize(
    ("part", "arguments"),
    [
        ("*", ["format", "--check"]),
        ("*/frontdef_*", ["check", "--select", "E,F,W,B,UP,D,N", "--config", "lint.pydocstyle.convention='google'"]),
    ],
)
def test_its_code_is_clean(installed, part, arguments):
    """Formatted and documented as frontdef itself is."""
    if not importlib.util.find_spec("ruff"):
        pytest.skip("ruff is not installed")
    folders = map(str, installed[1].glob(part))
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "120", *folders]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_it_never_overwrites(tmp_path):
    assert new_plugin("mine", tmp_path).exit_code == 0
    readme = tmp_path / "frontdef-mine" / "README.md"
    readme.write_text("my work", encoding="utf-8")
    again = new_plugin("mine", tmp_path)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert readme.read_text(encoding="utf-8") == "my work"


@pytest.mark.parametrize("kind", KINDS)
def test_every_template_is_filled_in(tmp_path, kind):
    assert new_plugin("frontdef-a1-b2", tmp_path, kind).exit_code == 0
    folder = tmp_path / "frontdef-a1-b2"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == {path.format(module="frontdef_a1_b2") for path in files_of(kind)}
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file())
    assert "$" not in text
    assert 'a1-b2 = "frontdef_a1_b2"' in text
    assert '"frontdef>=0.1,<0.2"' in text


def test_a_defense_is_named_after_its_id(tmp_path):
    new_plugin("a1-b2", tmp_path)
    text = (tmp_path / "frontdef-a1-b2" / "frontdef_a1_b2" / "front_end.py").read_text(encoding="utf-8")
    assert "class A1B2(FrontEnd[A1B2Config])" in text


@pytest.mark.parametrize(
    "name",
    ["", "-", "a_b", "A", "1a", "a--b", "a-", "ä", "a b", "../a", "a/b", "frontdef-", "none", "frontdef", "--help-"],
)
def test_names_that_are_no_ids_or_taken_are_refused(tmp_path, name):
    result = CliRunner().invoke(main, ["new-plugin", "--into", str(tmp_path), "--", name])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = new_plugin("mine", tmp_path / "file" / "below")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: cannot write")
