"""Every promise of a front end, by the kit that comes with frontdef."""

from __future__ import annotations

from frontdef.checks.conformance import DefenseConformance


class TestLowRank(DefenseConformance):
    defense = "lowrank"
