"""The distribution offers its zoos, its README holds, and naming them costs no ML import."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path

import frontdef_zoo
import pytest
import torch
from click.testing import CliRunner

from frontdef import config
from frontdef.cli import main
from frontdef.models.sources import ModelSource
from frontdef.testing import PluginConformance

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
ZOOS = ["torchvision", "timm", "robustbench"]


class TestPlugin(PluginConformance):
    distribution = "frontdef-zoo"


def test_the_entry_point_gives_the_zoos():
    assert [zoo.name for zoo in frontdef_zoo.frontdef_models()] == ZOOS


def ls(*arguments):
    result = CliRunner().invoke(main, ["ls", "models", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_ls_models_lists_zoos_and_names():
    assert [row["name"] for row in json.loads(ls("--json"))] == ZOOS
    assert "robustbench:DATASET/THREAT/NAME" in ls()
    assert json.loads(ls("torchvision", "resnet1?", "--json")) == ["resnet18"]
    assert "timm:resnet18" in ls("timm", "resnet18*").split()
    assert "no model of timm matches" in ls("timm", "nothing-like-it")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_readmes_matrix_is_one(number):
    (toml,) = re.findall(r"^```toml\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    entry = tomllib.loads(toml)["model"][number]
    assert config.build(ModelSource, entry, "model").source.partition(":")[0] in ZOOS


def test_the_readmes_snippet(tmp_path):
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    file = tmp_path / "snippet.py"
    file.write_text(code, encoding="utf-8")
    assert runpy.run_path(str(file), {"images": torch.rand(2, 3, 32, 32)})["logits"].shape == (2, 10)
