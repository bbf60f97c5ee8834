"""The pictures for the report: what survives at several ρ."""

from __future__ import annotations

import torch


def test_shares_in_order_and_each_is_the_front_end_at_that_share(make, images):
    x = images(2, 1, 28, 28)
    figures = make().figures(x)
    assert [title.split("ρ = ")[1] for title in figures] == [
        "1% (K = 7 of N = 784)",
        "3% (K = 23 of N = 784)",
        "10% (K = 78 of N = 784)",
        "30% (K = 235 of N = 784)",
    ]
    for keep, picture in zip((0.01, 0.03, 0.1, 0.3), figures.values(), strict=True):
        assert torch.equal(picture, make(keep=keep)(x))


def test_the_own_share_is_among_them_and_too_small_ones_are_not(make, images):
    figures = make(keep=0.5).figures(images(2, 1, 8, 8))
    assert [title.split(" (")[0].split("= ")[1] for title in figures] == ["3%", "10%", "30%", "50%"]
