"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

import pytest

from frontdef import Stage
from frontdef.testing import DefenseConformance

STAGES = (Stage(epochs=8, lr=3e-3, final_lr=1e-4, batch_size=32),)


class TestFixed(DefenseConformance):
    defense = "sparsecode-fixed"
    config = {"atoms": 48, "top": 8, "iterations": 40, "widths": (10, 6)}  # noqa: RUF012
    stages = STAGES

    @pytest.mark.slow  # a minute of attacks; the fast suite has those of test_certificate.py
    def test_certificate(self):
        super().test_certificate()


class TestDropout(DefenseConformance):
    defense = "sparsecode"
    config = {"atoms": 48, "top": 8, "iterations": 40, "widths": (10, 6), "dropout": 0.5}  # noqa: RUF012
    stages = STAGES
