"""The papers' pictures: each is a row of a table, small, on a page, and what the committed summaries give today."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "papers" / "figures"
PAGES = "".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "papers").glob("*.md")))


@pytest.fixture(scope="module")
def figures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
        import figures

        yield figures


def test_every_picture_is_a_row_and_no_summary_lacks_its_picture(figures):
    rows = figures.figures()
    names = [row["file"] for row in rows]
    assert len(set(names)) == len(names)
    expected = {row["file"] for row in rows if figures.folder_of(row["run"]).exists()}
    assert {path.name for path in FOLDER.iterdir()} == expected, "make docs-figures"


def test_every_picture_is_small_and_on_a_page():
    for path in FOLDER.iterdir():
        assert path.stat().st_size <= 200_000
        assert f"figures/{path.name}" in PAGES, path.name


@pytest.mark.parametrize("kind", ["layers", "radii", "distribution", "filters"])
def test_a_picture_is_what_its_summary_gives(figures, kind):
    row = next(row for row in figures.figures() if row["kind"] == kind)
    assert figures.draw(row) == (FOLDER / row["file"]).read_bytes(), "make docs-figures"


def test_a_changed_number_changes_the_picture(figures, monkeypatch):
    row = next(row for row in figures.figures() if row["kind"] == "radii")
    drawn, read = figures.draw(row), figures.rows_of
    monkeypatch.setattr(figures, "rows_of", lambda run, name: [{**each, "robust": "0.123"} for each in read(run, name)])
    assert figures.draw(row) != drawn


def test_every_kind_is_known(figures):
    assert {row["kind"] for row in figures.figures()} <= {*figures.KINDS, "filters"}
