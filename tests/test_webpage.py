"""A page of tables in a browser: a wide table scrolls in its own box, the page never sideways."""

from __future__ import annotations

import pytest

from frontdef.cli.sheets import Sheet, SheetColumn, words
from frontdef.cli.webpage import to_html
from tests.browser import needs_browser, resize

pytest_plugins = ["tests.browser_fixtures"]
pytestmark = needs_browser


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_does_not_scroll_sideways(chromium, tmp_path, width):
    columns = [SheetColumn(f"column {place}", f"c{place}") for place in range(12)]
    sheet = Sheet(f"what a run in {'a-folder/' * 20} found", columns, [[words("a value")] * 12])
    path = tmp_path / "page.html"
    path.write_text(to_html([sheet], [f"A: {'/runs' * 40}", "x" * 120], "y" * 90), encoding="utf-8")
    resize(chromium, width)
    chromium.get(path.as_uri())
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
