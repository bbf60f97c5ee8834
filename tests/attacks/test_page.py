"""The pages of the libraries: their tables are written from the rows, and name tests that exist."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from frontdef.attacks import foolbox
from frontdef.attacks.library import Violation
from frontdef.registry import get_attack_libraries
from frontdef.threat import NORM_LABELS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "attacks.md", *sorted((ROOT / "docs" / "attacks").glob("*.md"))]
EVERYTHING = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
TESTS = "\n".join(
    path.read_text(encoding="utf-8") for folder in ("tests", "plugins") for path in (ROOT / folder).rglob("test_*.py")
)
ROWS = [(name, *place) for name, library in get_attack_libraries().items() for place in library.table()]


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", get_attack_libraries())
def test_every_library_has_its_page(name):
    assert f'tables.library("{name}")' in (ROOT / "docs" / "attacks" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "family", "norm"), ROWS)
def test_a_difference_has_its_place_in_the_source(name, family, norm):
    row = get_attack_libraries()[name].offers(family, norm)
    assert bool(row.where) == bool(row.difference or row.caveat)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", EVERYTHING))))
def test_the_tests_named_exist(name):
    assert f"def {name}(" in TESTS


def test_a_row_decides_what_its_page_says(tables, monkeypatch):
    """Each fact is one of the row: another one there is another one here, and nowhere else."""
    place = ("fgsm", "l1")
    new = replace(
        foolbox.TABLE[place],
        call="NewCall",
        difference="It is new.",
        where=("`new.py`",),
        violations=(Violation("new check", "It is newer.", "3 of 4"),),
    )
    said = {call: getattr(tables, call)() for call in ("violations", "violations_grid")}
    page = tables.library("foolbox")
    monkeypatch.setattr(foolbox, "TABLE", {**foolbox.TABLE, place: new})
    changed = set(tables.library("foolbox").splitlines()) - set(page.splitlines())
    (line,) = changed
    assert line.startswith("| fgsm | ℓ1 | `NewCall` | It is new. | either: step rule |  | `new.py` | `test_")
    assert "| foolbox | fgsm | ℓ1 | new check | 3 of 4 | It is newer. |" in tables.violations()
    (line,) = set(tables.violations_grid().splitlines()) - set(said["violations_grid"].splitlines())
    assert "new check" in line
    monkeypatch.setattr(foolbox, "TABLE", {**foolbox.TABLE, place: replace(new, violations=None)})
    (line,) = set(tables.violations_grid().splitlines()) - set(said["violations_grid"].splitlines())
    assert "| ? |" in line


def test_what_nobody_has_examined_is_visible(tables):
    lines = [line.split("|")[1:-1] for line in tables.violations_grid().splitlines() if line]
    rows = {(family, norm): marks for family, norm, *marks in ([cell.strip() for cell in line] for line in lines[2:])}
    for number, library in enumerate(get_attack_libraries().values()):
        for (family, norm), row in library.table().items():
            shown = rows[family, NORM_LABELS[norm]][number]
            assert (shown == "?") is (row.violations is None), (library.name, family, norm)
