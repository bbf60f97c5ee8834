"""docs/attacks/LIBRARY.md says what the library's table says, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from frontdef.threat import NORM_LABELS

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((DOCS / "attacks").glob("*.md"))}
EVERYTHING = "\n".join([*PAGES.values(), (DOCS / "attacks.md").read_text(encoding="utf-8")])
TESTS = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("tests", "plugins")
    for path in (HERE.parent.parent / folder).rglob("test_*.py")
)


def rows(library: str) -> dict[tuple[str, str], list[str]]:
    """The first table of a library's page: ``(family, norm label)`` → call, difference, caveat, where, tests."""
    lines = PAGES[library].partition("| --- ")[2].partition("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split(" | ")] for line in lines]
    return {(family, norm): rest for family, norm, *rest in cells}


def test_every_offer_is_on_its_librarys_page(offer, libraries):
    library, family, norm = offer
    found = libraries[library].table()[family, norm]
    call, difference, caveat, where, tests = rows(library)[family, NORM_LABELS[norm]]
    assert (call, difference, caveat) == (f"`{found.call}`", found.difference, found.caveat)
    assert bool(where) == bool(re.findall(r"`(test_\w+)`", tests)) == bool(found.difference or found.caveat)


def test_nothing_else_is_on_a_page(libraries):
    for library in PAGES.keys() & libraries.keys():
        offered = {(family, NORM_LABELS[norm]) for family, norm in libraries[library].table()}
        assert rows(library).keys() == offered


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", EVERYTHING))))
def test_the_tests_named_exist(name):
    assert f"def {name}(" in TESTS
