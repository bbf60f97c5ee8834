"""The README's Python snippets run as they stand, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontdef.testing import Readme

README = Readme(Path(__file__).parent.parent / "README.md")


@pytest.mark.filterwarnings("ignore")
def test_snippets_run(capsys):
    assert len(README.snippets()) >= 4
    names = README.run()
    assert "Passes(forward=" in capsys.readouterr().out
    (rounding,) = names["frontdef_defenses"]()
    front_end = rounding.build({"levels": 2})
    assert front_end(names["images"]).unique().tolist() == [0, 1]
