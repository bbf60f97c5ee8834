"""``make release``: dates the changelog's section and tags it with its notes, or refuses and changes nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from frontdef import __version__

ROOT = Path(__file__).parents[1]
AUTHOR = {f"GIT_{role}_{what}": f"{what.lower()}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **AUTHOR}, check=True, capture_output=True, text=True
    ).stdout


def release(folder: Path) -> subprocess.CompletedProcess[str]:
    """The checks of a release are what `make` runs anyway; here they pass."""
    environment = {**os.environ, **AUTHOR, "MAKE": "true"}
    return subprocess.run([".ci/release"], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path):
    names = (".ci/release", "CHANGELOG.md", "frontdef/_version.py", *map(str, ROOT.glob("plugins/*/pyproject.toml")))
    for name in names:
        source = ROOT / name
        copy = tmp_path / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
        copy.chmod(source.stat().st_mode)
    text = (tmp_path / "CHANGELOG.md").read_text()
    (tmp_path / "CHANGELOG.md").write_text(text + "\n## 0.0.1 (2020-01-01)\n\n- Older.\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "as it is")
    return tmp_path


def test_a_release_is_dated_and_tagged_with_its_notes(clone):
    told = release(clone)
    assert told.returncode == 0, told.stderr
    notes = git(clone, "tag", "--list", "--format=%(contents)", f"v{__version__}")
    assert notes.startswith(f"## {__version__} (2")
    assert "Older" not in notes
    assert "unreleased" not in (clone / "CHANGELOG.md").read_text()
    assert git(clone, "status", "--porcelain") == ""
    again = release(clone)
    assert again.returncode == 1
    assert "is tagged already" in again.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("CHANGELOG.md", "(unreleased)", "(soon)", "has no section"),
        ("plugins/frontdef-hah/pyproject.toml", f'version = "{__version__}"', 'version = "9.9"', "frontdef-hah"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_tagged(clone, file, old, new, said):
    (clone / file).write_text((clone / file).read_text().replace(old, new))
    assert "the tree has changes" in release(clone).stderr
    git(clone, "commit", "--quiet", "--all", "--message", "spoiled")
    told = release(clone)
    assert told.returncode == 1
    assert said in told.stderr
    assert git(clone, "tag") == ""
