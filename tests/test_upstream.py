"""Every script of docs/upstream.md still shows what it says; one that fails was mended by its library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.forks import python

PAGE = (Path(__file__).parent.parent / "docs" / "upstream.md").read_text(encoding="utf-8")
SCRIPTS = dict(re.findall(r"^## (.*?)$.*?```python\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("title", SCRIPTS)
def test_the_discrepancy_is_still_there(title):
    script = SCRIPTS[title]
    assert "\nassert " in script
    assert len([line for line in script.splitlines() if line.strip()]) <= 17
    pytest.importorskip(title.split(":")[0].replace("ART", "art").replace("-", "_"))
    ended = python("-c", script)
    assert ended.code == 0, ended.err
