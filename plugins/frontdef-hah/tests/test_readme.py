"""The README's snippets run as they stand, one after the other, given images and labels."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from frontdef.registry import get_dataset

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def snippets(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_python(tmp_path, monkeypatch):
    pytest.importorskip("captum")
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path))
    test = get_dataset("digits").load("test").take(8, 0)
    file = tmp_path / "snippet.py"
    file.write_text("\n".join(snippets("python")), encoding="utf-8")
    names = runpy.run_path(str(file), {"images": test.images, "labels": test.labels})
    moved = (names["examples"] - test.images).abs().max()
    assert 0.05 < moved <= 0.1 + 1e-6
    assert names["heat"].shape == (8, 1, 28, 28)


def test_metrics():
    from frontdef import config
    from frontdef.registry import get_metric

    (toml,) = snippets("toml")
    for entry in tomllib.loads(toml)["metric"]:
        config.build(get_metric(entry["name"]).parameters_class(), entry.get("parameters", {}), entry["name"])


def test_every_configuration_value_is_in_the_table():
    from frontdef_hah.config import HahConfig

    rows = re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)
    assert rows == list(HahConfig.model_fields)
