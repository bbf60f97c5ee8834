"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

from frontdef.testing import DefenseConformance


class TestWavelet(DefenseConformance):
    defense = "wavelet"
    config = {"keep": 0.2, "levels": 2}  # noqa: RUF012
