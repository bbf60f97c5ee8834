"""The distribution offers its metrics, its README holds, and naming them costs no ML import."""

from __future__ import annotations

import re

import frontdef_corruptions
from frontdef_corruptions.table import CORRUPTIONS

from frontdef import config
from frontdef.registry import get_metric
from frontdef.testing import PluginConformance, Readme

README = Readme.beside(__file__)


class TestPlugin(PluginConformance):
    distribution = "frontdef-corruptions"


def test_the_entry_point_gives_the_metrics():
    assert [metric.name for metric in frontdef_corruptions.frontdef_metrics()] == ["gaussian-noise", "corruptions"]


def test_the_readmes_matrix_and_snippet(images):
    (matrix,) = README.tables()
    for entry in matrix["metric"]:
        config.build(get_metric(entry["name"]).parameters_class(), entry["parameters"], entry["name"])
    assert README.run(images=images(2, 3, 32, 32))["foggy"].shape == (2, 3, 32, 32)


def test_the_readmes_table_is_whole():
    rows = re.findall(r"^\| (noise|blur|weather|digital) \| (.*) \|$", README.text, flags=re.MULTILINE)
    listed = {group: names.replace("`", "").split(", ") for group, names in rows}
    assert [name for names in listed.values() for name in names] == list(CORRUPTIONS)
    assert all(CORRUPTIONS[name].group == group for group, names in listed.items() for name in names)
