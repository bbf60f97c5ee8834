"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

from frontdef.testing import DefenseConformance


class TestHah(DefenseConformance):
    defense = "hah"


class TestBatchNorm(DefenseConformance):
    defense = "hah"
    config = {"normalization": "batch", "hah_blocks": 2}  # noqa: RUF012
