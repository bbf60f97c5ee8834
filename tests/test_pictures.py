"""Pictures of front ends: each value in its place, nothing outside [0,1]."""

from __future__ import annotations

import pytest
import torch

from frontdef import pictures


def test_montage_puts_each_tile_in_its_place():
    tiles = torch.arange(1.0, 6.0).view(1, 5, 1, 1, 1).expand(1, 5, 1, 2, 2)
    grid = pictures.montage(tiles)
    assert grid.shape == (1, 1, 5, 8)  # 2 rows of 3 tiles, one pixel between them
    assert grid[0, 0, ::3, ::3].tolist() == [[1, 2, 3], [4, 5, 0]]
    assert grid[0, 0, 2].tolist() == [0] * 8
    assert (pictures.montage(tiles, gap=1.0)[0, 0, 2] == 1).all()


def test_montage_keeps_samples_and_channels_apart():
    tiles = torch.rand(2, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    grid = pictures.montage(tiles)
    assert grid.shape == (2, 3, 5, 5)
    assert torch.equal(grid[1, :, 3:, :2], tiles[1, 2])


def test_stretched_and_signed_by_hand():
    tiles = torch.tensor([[[[0.0, 2.0]]], [[[-4.0, 2.0]]], [[[3.0, 3.0]]]])
    assert pictures.stretched(tiles).flatten().tolist() == [0, 1, 0, 1, 0, 0]
    assert pictures.signed(tiles)[:2].flatten().tolist() == [0.5, 1, 0, 0.75]
    assert (pictures.signed(torch.zeros(1, 1, 2, 2)) == 0.5).all()


def test_diverging_is_white_at_zero_and_saturates():
    minus, zero, plus, beyond = pictures.diverging(torch.tensor([-1.0, 0.0, 1.0, 7.0]).view(1, 1, 1, 4))[0, :, 0].mT
    assert zero.tolist() == [1, 1, 1]
    assert minus.tolist() == pytest.approx(pictures.BLUE)
    assert plus.tolist() == beyond.tolist() == pytest.approx(pictures.RED)


def test_shares_count_each_row_by_itself_and_the_ends_belong_to_the_last_bins():
    values = torch.tensor([[-1.0, -0.9, 0.1, 1.0], [0.6, 0.6, 0.6, 0.6]])
    assert pictures.shares(values, 4).tolist() == [[0.5, 0, 0.25, 0.25], [0, 0, 0, 1]]


def test_logarithmic_heights():
    share = torch.tensor([1.0, 0.1, 1e-4, 0.0], dtype=torch.float64)
    assert pictures.logarithmic(share).tolist() == pytest.approx([1, 0.75, 0, 0])


def test_bars_stand_on_the_ground():
    inside = pictures.bars(torch.tensor([[1.0, 0.5, 0.0]]), 4)[0]
    assert inside.tolist() == [[True, False, False], [True, False, False], [True, True, False], [True, True, False]]


def test_a_histogram_has_one_distribution_before_the_other_and_lines_at_its_marks():
    front, behind = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    red, gray = (torch.tensor(color) for color in (pictures.RED, pictures.GRAY))
    picture = pictures.histogram(front, behind=behind, marks=(0.99,), rows=5)[0]
    assert picture.shape == (3, 5, 8)
    for column, color in ((0, red), (1, red), (2, gray), (4, torch.ones(3)), (7, red)):
        assert torch.allclose(picture[:, :, column], color[:, None].expand(3, 5)), column


def test_enlarged_pixels_are_squares():
    assert pictures.enlarged(torch.tensor([[[[1.0, 0.0]]]]), 2)[0, 0].tolist() == [[1, 1, 0, 0]] * 2
