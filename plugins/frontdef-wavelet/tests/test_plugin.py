"""The distribution offers its defense through the entry point, and naming it costs no ML import."""

from __future__ import annotations

import frontdef_wavelet

from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-wavelet"


def test_the_entry_point_gives_the_defense():
    (defense,) = frontdef_wavelet.frontdef_defenses()
    assert defense.name == "wavelet"
    assert "Sparsification" in defense.paper
    assert defense.summary
    assert defense.front_end_class().__name__ == "WaveletFrontEnd"
    assert defense.front_end_class().randomized is defense.randomized is False
