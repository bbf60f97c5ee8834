"""The pictures: what each shows, and that nothing leaves [0,1]."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize import pictures


def test_montage_puts_each_channel_in_its_place():
    channels = torch.arange(1.0, 6.0).view(1, 5, 1, 1).expand(1, 5, 2, 2)
    grid = pictures.montage(channels)
    assert grid.shape == (1, 1, 5, 8)  # 2 rows of 3 tiles, one pixel between them
    assert grid[0, 0, ::3, ::3].tolist() == [[1, 2, 3], [4, 5, 0]]
    assert grid[0, 0, 2].tolist() == [0] * 8


def test_diverging_colors():
    colors = pictures.diverging(torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3))[0, :, 0].mT
    assert colors.tolist() == [[0, 0, 1], [1, 1, 1], [1, 0, 0]]


def test_a_histogram_is_logarithmic_and_marks_the_thresholds():
    """All activations at 0.255: one full column pair, and a red line at each threshold."""
    picture = pictures.histogram(torch.full((1000,), 0.255), (-0.5, 0.5))[0]
    dark = (picture[0] < 0.5).all(0).nonzero().flatten().tolist()
    assert dark == [124, 125]
    red = ((picture[0] > 0.7) & (picture[1] < 0.2)).all(0).nonzero().flatten().tolist()
    assert red == [50, 150]
    tenth = pictures.histogram(torch.cat([torch.full((900,), 0.255), torch.full((100,), -0.255)]), (0.9,))[0, 0]
    assert (tenth[:, 74] < 0.5).sum() == pytest.approx(0.75 * pictures.HEIGHT, abs=1)  # 10⁻¹ between 10⁻⁴ and 1


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
