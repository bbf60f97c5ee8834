"""The distribution offers its defense through the entry point, and naming it costs no ML import."""

from __future__ import annotations

import frontdef_polarize

from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-polarize"


def test_the_entry_point_gives_the_defense():
    (defense,) = frontdef_polarize.frontdef_defenses()
    assert defense.name == "polarize"
    assert "Polarizing" in defense.paper
    assert defense.summary
    assert defense.front_end_class().__name__ == "PolarizingFrontEnd"
    assert defense.front_end_class().randomized is defense.randomized is False
