"""docs/attacks.md says what the tables say, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from frontdef.threat import NORM_LABELS

HERE = Path(__file__).parent
PAGE = (HERE.parent.parent / "docs" / "attacks.md").read_text(encoding="utf-8")
COLUMNS = {"art": 2, "foolbox": 3, "torchattacks": 4, "native": 5}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


OFFERED = {(row[0], row[1]): row for row in rows("What is offered")}
NOTES = {row[0]: row[2] for heading in ("Differences", "Caveats") for row in rows(heading)}


def test_every_offer_is_in_the_table(offer, libraries):
    library, family, norm = offer
    found = libraries[library].table()[family, norm]
    cell = OFFERED[family, NORM_LABELS[norm]][COLUMNS[library]]
    assert cell.startswith(f"`{found.call}`")
    notes = " ".join(NOTES[mark] for mark in re.findall(r"\[(\w+)\]", cell))
    assert notes == " ".join(filter(None, (found.difference, found.caveat)))


def test_nothing_else_is_in_the_table(libraries):
    for (family, label), row in OFFERED.items():
        norm = next(norm for norm, shown in NORM_LABELS.items() if shown == label)
        for library, column in COLUMNS.items():
            assert (row[column] == "–") == ((family, norm) not in libraries[library].table())


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_the_tests_named_exist(name):
    assert any(f"def {name}(" in path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
