"""The distribution offers its defense through the entry point, and naming it costs no ML import."""

from __future__ import annotations

import frontdef_advtrain

from frontdef.frontend import Identity
from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-advtrain"


def test_the_entry_point_gives_the_defense():
    (defense,) = frontdef_advtrain.frontdef_defenses()
    assert defense.name == "advtrain"
    assert "1706.06083" in defense.paper
    assert defense.front_end_class() is Identity
    assert not defense.certified
