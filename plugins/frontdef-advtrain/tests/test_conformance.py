"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

from frontdef.testing import DefenseConformance


class TestAdvTrain(DefenseConformance):
    defense = "advtrain"
    config = {"method": "fast", "epochs": 2}  # noqa: RUF012
