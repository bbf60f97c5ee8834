"""The pictures: what each shows, and that nothing leaves [0,1]."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize.pictures import spread


def test_the_spread_is_logarithmic_and_marks_the_thresholds():
    """All activations at 0.255: one full column pair, and a red line at each threshold."""
    picture = spread(torch.full((1, 1, 10, 100), 0.255), (-0.5, 0.5))[0]
    colored = (picture < 0.99).any(0)
    assert colored.all(0).nonzero().flatten().tolist() == [50, 124, 125, 150]
    tenth = spread(torch.cat([torch.full((900,), 0.255), torch.full((100,), -0.255)]), (0.9,))[0, 0]
    assert (tenth[:, 74] < 0.99).sum() == pytest.approx(0.75 * 60, abs=1)  # 10⁻¹ between 10⁻⁴ and 1


def test_a_trained_front_end_shows_every_stage(trained, digits):
    protected, _ = trained("filters")
    figures = protected.front_end.figures(digits.images[:8])
    sizes = {title.split(",")[0].split(":")[0].split(" from")[0]: len(shown) for title, shown in figures.items()}
    assert sizes == {"normalized activations": 8, "after the front end": 8, "filters": 3, "activations": 3}
    assert any("as drawn, after 'spread', after 'polarize'" in title for title in figures)
    for shown in figures.values():
        assert shown.dim() == 4
        assert shown.shape[1] in {1, 3}
        assert 0 <= shown.amin() <= shown.amax() <= 1


def test_pixels_and_untrained_filters_have_pictures(make, digits):
    assert len(make(source="pixels").figures(digits.images[:2])) == 3
    (title,) = [title for title in make().figures(digits.images[:2]) if title.startswith("filters")]
    assert title == "filters: as drawn"
