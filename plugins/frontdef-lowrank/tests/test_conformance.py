"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

from frontdef.testing import DefenseConformance


class TestLowRank(DefenseConformance):
    defense = "lowrank"
