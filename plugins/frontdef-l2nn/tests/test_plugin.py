"""The distribution offers its records through the entry point, and naming them costs no ML import."""

from __future__ import annotations

import frontdef_l2nn

from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-l2nn"


def test_the_entry_point_gives_the_defense():
    (defense,) = frontdef_l2nn.frontdef_defenses()
    assert defense.name == "l2nn"
    assert "1802.07896" in defense.paper
    assert defense.front_end_class().__name__ == "L2NN"
    assert defense.certified
    assert defense.load_certificate().statement
    assert defense.classifier in {classifier.name for classifier in frontdef_l2nn.frontdef_classifiers()}
    assert [metric.name for metric in frontdef_l2nn.frontdef_metrics()] == ["confidence-gap"]
