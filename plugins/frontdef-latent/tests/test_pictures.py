"""Codes in two dimensions."""

from __future__ import annotations

import torch
from frontdef_latent.pictures import OTHERS, code_map, principal


def test_principal_axes_of_codes_on_a_tilted_cross():
    """Four codes at ±5 along (3,4)/5 and ±1 across it, moved by (10,20): the axes are these two directions."""
    long, short = torch.tensor([0.6, 0.8]), torch.tensor([0.8, -0.6])
    codes = torch.stack([5 * long, -5 * long, short, -short]) + torch.tensor([10.0, 20.0])
    expected = torch.tensor([[5.0, 0], [-5, 0], [0, 1], [0, -1]])
    torch.testing.assert_close(principal(codes).float(), expected, rtol=0, atol=1e-5)


def test_fewer_than_two_axes():
    assert principal(torch.tensor([[1.0, 2.0, 3.0]])).tolist() == [[0.0, 0.0]]
    coordinates = principal(torch.tensor([[1.0], [3.0]]))
    torch.testing.assert_close(coordinates.float(), torch.tensor([[-1.0, 0], [1, 0]]))


def test_a_mark_each():
    """On 20x20, with a border of a tenth: codes at −1, 0 and 1 stand at columns 2, 10 and 18 of the middle rows."""
    maps = code_map(torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]), (20, 20))
    assert maps.shape == (3, 1, 20, 20)
    for row, column in enumerate((2, 10, 18)):
        assert (maps[row, 0] == 1).nonzero().unique(dim=0).tolist() == [
            [y, x] for y in (9, 10) for x in (column - 1, column)
        ]
        assert int((maps[row, 0] == OTHERS).sum()) == 8


def test_up_is_up():
    codes = torch.tensor([[-4.0, 0], [4, 0], [0, 1], [0, -1]])
    maps = code_map(codes, (28, 28))
    rows = [(image[0] == 1).nonzero()[:, 0].float().mean() for image in maps]
    assert rows[2] < rows[0] == rows[1] < rows[3]
