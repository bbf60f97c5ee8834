"""The distribution offers its records through the entry point, and naming them costs no ML import."""

from __future__ import annotations

import frontdef_sparsecode

from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-sparsecode"


def test_the_entry_point_gives_both_defenses_and_the_metric():
    defenses = {defense.name: defense for defense in frontdef_sparsecode.frontdef_defenses()}
    assert set(defenses) == {"sparsecode", "sparsecode-fixed"}
    for name, defense in defenses.items():
        assert "4.2" in defense.paper
        assert defense.front_end_class().randomized == defense.randomized == (name == "sparsecode")
        assert (defense.load_certificate() is None) == defense.randomized
    (metric,) = frontdef_sparsecode.frontdef_metrics()
    assert metric.name == "sparsecode-stability"
