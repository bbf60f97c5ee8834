"""Every promise of a front end, by the kit that comes with frontdef."""

from __future__ import annotations

from frontdef.checks.conformance import DefenseConformance


class TestAdvTrain(DefenseConformance):
    defense = "advtrain"
    config = {"method": "fast", "epochs": 2}  # noqa: RUF012  (the kit reads a plain dict)
