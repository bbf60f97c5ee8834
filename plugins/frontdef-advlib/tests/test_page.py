"""docs/attacks/advlib.md says what the table says, and names tests of this folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from frontdef_advlib.library import AdvLibrary

from frontdef.threat import NORM_LABELS

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "attacks" / "advlib.md"
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the plugin stands without the docs of frontdef")


def rows():
    lines = PAGE.read_text(encoding="utf-8").partition("| --- ")[2].partition("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split(" | ")] for line in lines]
    return {(family, norm): rest for family, norm, *rest in cells}


def test_every_row_is_on_the_page(row):
    found = AdvLibrary().table()[row]
    call, difference, caveat, where, tests = rows()[row[0], NORM_LABELS[row[1]]]
    assert (call, difference, caveat) == (f"`{found.call}`", found.difference, found.caveat)
    named = re.findall(r"`(test_\w+)`", tests)
    assert bool(where) == bool(named) == bool(found.difference or found.caveat)
    assert all(f"def {name}(" in TESTS for name in named)


def test_nothing_else_is_on_the_page():
    assert rows().keys() == {(family, NORM_LABELS[norm]) for family, norm in AdvLibrary().table()}
