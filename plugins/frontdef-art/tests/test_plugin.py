"""The distribution is found, light, capped, and declares what it imports."""

from __future__ import annotations

from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-art"
