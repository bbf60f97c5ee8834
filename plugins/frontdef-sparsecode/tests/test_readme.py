"""The README's snippet runs as it stands, given images and labels."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_train_and_attack(digits, tmp_path, monkeypatch):
    pytest.importorskip("torchattacks")
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path / "models"))
    (code,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    file = tmp_path / "snippet.py"
    file.write_text(code, encoding="utf-8")
    x, y = digits.test.images[:8], digits.test.labels[:8]
    names = runpy.run_path(str(file), {"images": x, "labels": y})
    assert 0.05 < (names["examples"] - x).abs().max() <= 0.1 + 1e-6
    assert (names["protected"].predict(x).argmax(1) == y).float().mean() >= 0.75
