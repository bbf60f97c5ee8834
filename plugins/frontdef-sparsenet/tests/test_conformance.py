"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

from frontdef.testing import DefenseConformance


class TestSparseNet(DefenseConformance):
    defense = "sparsenet"
    train_images = 1200
