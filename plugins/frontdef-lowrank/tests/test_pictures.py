"""Pictures: the right things, in [0,1]."""

from __future__ import annotations

import torch
from frontdef_lowrank.pictures import rows, seen, spectrum_bars


def test_titles_and_ranges(reduced, digits):
    figures = reduced(share=0.4).front_end.figures(digits.test.images[:3])
    titles = list(figures)
    assert titles[0] == "weights of the first layer, gray is 0"
    assert titles[1] == "what the first layer's top 60% of singular vectors see"
    assert titles[2].startswith("singular values of layer 1, from ")
    assert [figures[title].shape for title in titles] == [(8, 1, 28, 28), (3, 1, 28, 28), (1, 1, 48, 96)]
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in figures.values())


def test_a_convolution_shows_its_kernels(build):
    figures = build(network="cnn4").figures(torch.rand(2, 1, 28, 28))
    assert figures["weights of the first layer, gray is 0"].shape == (8, 1, 5, 5)
    assert sum("singular values" in title for title in figures) == 4


def test_rows_are_scaled_by_their_largest_magnitude():
    weight = torch.tensor([[2.0, -4.0], [0.0, 0.0]])
    picture = rows(weight, torch.Size((1, 1, 2)))
    torch.testing.assert_close(picture, torch.tensor([[[[0.75, 0.0]]], [[[0.5, 0.5]]]]))


def test_what_is_seen_is_the_projection():
    """Rows (1,0) and (0,½): the top vector is the first pixel, the other one is lost."""
    weight = torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    image = torch.tensor([[[[0.3, 0.8]]]])
    torch.testing.assert_close(seen(weight, image, 0.5), torch.tensor([[[[0.3, 0.0]]]]))
    torch.testing.assert_close(seen(weight, image, 0.0), image)


def test_bars():
    """Two values, the second a quarter of the first: full height on the left half, a quarter on the right."""
    picture = spectrum_bars(torch.tensor([4.0, 1.0]))[0, 0]
    assert picture.shape == (48, 96)
    assert (picture[:, :48] == 0).all()
    assert (picture[:36, 48:] == 1).all()
    assert (picture[36:, 48:] == 0).all()
