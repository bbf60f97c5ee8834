"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

import pytest

from frontdef.testing import DefenseConformance


class TestFilters(DefenseConformance):
    defense = "polarize"
    config = {"filters": 4}  # noqa: RUF012
    image_shape = (1, 16, 16)


class TestPixels(DefenseConformance):
    defense = "polarize"
    config = {"source": "pixels"}  # noqa: RUF012
    image_shape = (1, 16, 16)


class TestColor(DefenseConformance):
    defense = "polarize"
    config = {"filters": 4, "size": 3}  # noqa: RUF012
    image_shape = (3, 16, 18)

    @pytest.mark.slow  # the fast suite attacks the certificates of filters and pixels
    def test_certificate(self):
        super().test_certificate()
