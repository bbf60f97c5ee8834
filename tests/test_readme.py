"""The README's Python snippets run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.filterwarnings("ignore")
def test_snippets_run(capsys):
    namespace: dict[str, object] = {"__name__": "readme"}
    assert len(SNIPPETS) >= 4
    for snippet in SNIPPETS:
        exec(compile(snippet, "README.md", "exec"), namespace)
    assert "Passes(forward=" in capsys.readouterr().out
    (rounding,) = namespace["frontdef_defenses"]()
    front_end = rounding.build({"levels": 2})
    assert front_end(namespace["images"]).unique().tolist() == [0, 1]
