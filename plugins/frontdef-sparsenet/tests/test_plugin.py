"""The distribution offers its defense through the entry point, and naming it costs no ML import."""

from __future__ import annotations

import frontdef_sparsenet

from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-sparsenet"


def test_the_entry_point_gives_the_defense():
    (defense,) = frontdef_sparsenet.frontdef_defenses()
    assert defense.name == "sparsenet"
    assert "Sparsification" in defense.paper
    assert defense.summary
    assert defense.front_end_class().__name__ == "SparseNetFrontEnd"
    assert defense.front_end_class().randomized is defense.randomized is False
