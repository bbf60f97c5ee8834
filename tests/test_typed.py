"""What users write holds under pyright, strict, as it does under mypy in `make lint`; and both see what is wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYRIGHT = shutil.which("pyright")


def objections(folder, files, **settings):
    """File → lines of what pyright objects to."""
    if PYRIGHT is None:
        pytest.skip("needs pyright: npm install --global pyright")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps({**settings, "extraPaths": [str(ROOT)]}))
    ended = subprocess.run(
        [PYRIGHT, "--outputjson", "--pythonpath", sys.executable],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(ended.stdout)
    assert found["summary"]["filesAnalyzed"] == len(files), found
    lines: dict[str, list[str]] = {}
    for each in found["generalDiagnostics"]:
        line = each["range"]["start"]["line"] + 1
        lines.setdefault(Path(each["file"]).stem, []).append(f"{line}: {each['message']}")
    return lines


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    files = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "typed").glob("*.py")}
    return objections(
        tmp_path_factory.mktemp("typed"),
        files,
        typeCheckingMode="strict",
        reportUnnecessaryTypeIgnoreComment=True,
        reportMissingTypeStubs=False,  # ART has no types, which is not the user's fault
    )


def test_pyright_objects_to_nothing_that_the_page_about_plugins_shows(tmp_path):
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert objections(tmp_path, {f"block{i}": text for i, text in enumerate(blocks)}) == {}


@pytest.mark.parametrize("file", ["user", "plugin", "wrong"])
def test_pyright_objects_to_nothing(told, file):
    assert told.get(file, []) == []


def test_mypy_checks_the_same_files_in_lint():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f'"tests/typed/{name}.py"' in text for name in ("user", "plugin", "wrong"))
