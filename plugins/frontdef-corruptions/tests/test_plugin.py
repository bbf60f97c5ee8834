"""The distribution offers its metrics, its README holds, and naming them costs no ML import."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, entry_points
from pathlib import Path

from frontdef_corruptions.table import CORRUPTIONS

from frontdef import config
from frontdef.registry import get_metric

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_entry_point_gives_the_metrics():
    (entry,) = entry_points(group="frontdef", name="corruptions")
    assert [metric.name for metric in entry.load().frontdef_metrics()] == ["gaussian-noise", "corruptions"]
    required = {requirement.replace(" ", "") for requirement in distribution("frontdef-corruptions").requires}
    assert "frontdef<0.2,>=0.1" in required


def test_naming_the_metrics_imports_no_ml_library():
    code = (
        "import sys, frontdef_corruptions; list(frontdef_corruptions.frontdef_metrics()); "
        "print({'torch', 'art', 'scipy', 'PIL'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"


def test_the_readmes_matrix_and_snippet(tmp_path, images):
    (toml,) = re.findall(r"^```toml\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    for entry in tomllib.loads(toml)["metric"]:
        config.build(get_metric(entry["name"]).parameters_class(), entry["parameters"], entry["name"])
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    file = tmp_path / "snippet.py"
    file.write_text(code, encoding="utf-8")
    assert runpy.run_path(str(file), {"images": images(2, 3, 32, 32)})["foggy"].shape == (2, 3, 32, 32)


def test_the_readmes_table_is_whole():
    rows = re.findall(r"^\| (noise|blur|weather|digital) \| (.*) \|$", README, flags=re.MULTILINE)
    listed = {group: names.replace("`", "").split(", ") for group, names in rows}
    assert [name for names in listed.values() for name in names] == list(CORRUPTIONS)
    assert all(CORRUPTIONS[name].group == group for group, names in listed.items() for name in names)
