"""The distribution offers its records through the entry point, and naming them costs no ML import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, entry_points


def test_the_entry_point_gives_the_defense():
    (entry,) = entry_points(group="frontdef", name="l2nn")
    plugin = entry.load()
    (defense,) = plugin.frontdef_defenses()
    assert defense.name == "l2nn"
    assert "1802.07896" in defense.paper
    assert defense.front_end_class().__name__ == "L2NN"
    assert defense.certified
    assert defense.load_certificate().statement
    assert defense.classifier in {classifier.name for classifier in plugin.frontdef_classifiers()}
    assert [metric.name for metric in plugin.frontdef_metrics()] == ["confidence-gap"]


def test_the_core_is_capped():
    requires = distribution("frontdef-l2nn").requires
    assert any(requirement.replace(" ", "") == "frontdef<0.2,>=0.1" for requirement in requires)


def test_naming_the_records_imports_no_ml_library():
    code = (
        "import sys, frontdef_l2nn as p; list(p.frontdef_defenses()), list(p.frontdef_classifiers()), "
        "list(p.frontdef_metrics()); print({'torch', 'art'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
