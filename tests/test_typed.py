"""What users write holds under pyright, strict, as it does under mypy in `make lint`; and both see what is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYRIGHT = shutil.which("pyright")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """File → lines of what pyright objects to."""
    if PYRIGHT is None:
        pytest.skip("needs pyright: npm install --global pyright")
    folder = tmp_path_factory.mktemp("typed")
    for file in (ROOT / "tests" / "typed").glob("*.py"):
        shutil.copy(file, folder)
    rules = {"typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": True}
    art = {"reportMissingTypeStubs": False}  # ART has no types, which is not the user's fault
    (folder / "pyrightconfig.json").write_text(json.dumps({**rules, **art, "extraPaths": [str(ROOT)]}))
    ended = subprocess.run(
        [PYRIGHT, "--outputjson", "--pythonpath", sys.executable],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(ended.stdout)
    assert found["summary"]["filesAnalyzed"] == 3, found
    lines: dict[str, list[str]] = {}
    for each in found["generalDiagnostics"]:
        line = each["range"]["start"]["line"] + 1
        lines.setdefault(Path(each["file"]).stem, []).append(f"{line}: {each['message']}")
    return lines


@pytest.mark.parametrize("file", ["user", "plugin", "wrong"])
def test_pyright_objects_to_nothing(told, file):
    assert told.get(file, []) == []


def test_mypy_checks_the_same_files_in_lint():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f'"tests/typed/{name}.py"' in text for name in ("user", "plugin", "wrong"))
