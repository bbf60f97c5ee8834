"""Blurs against SciPy, slow loops, and kernels worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from frontdef_corruptions import filters
from frontdef_corruptions.table import CORRUPTIONS
from scipy import ndimage


def test_smoothing_is_scipys(images):
    x = images(2, 3, 20, 28)
    for sigma, mode, truncate in [(0.7, "nearest", 4.0), (3.0, "reflect", 3.0), (6.4, "reflect", 3.0)]:
        expected = ndimage.gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode=mode, truncate=truncate)
        np.testing.assert_allclose(filters.smooth(x, sigma, mode, truncate).numpy(), expected, rtol=0, atol=1e-6)
    assert torch.equal(filters.smooth(x, 0), x)


@pytest.mark.parametrize(("severity", "sigma"), list(enumerate([0.4, 0.6, 0.7, 0.8, 1.0], start=1)))
def test_gaussian_blur(images, draws, severity, sigma):
    x = images(2, 1, 28, 28)
    expected = ndimage.gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="nearest")
    blurred = CORRUPTIONS["gaussian-blur"](x, severity, draws)
    np.testing.assert_allclose(blurred.numpy(), expected, rtol=0, atol=1e-6)


def test_the_disk_by_hand():
    """Radius 1 holds a cross of five points; a soft edge of 0.2 has bells of 1 and e^−12.5 beside it."""
    edge = math.exp(-12.5)
    middle, side = 1 / (1 + 2 * edge), edge / (1 + 2 * edge)
    kernel = filters.disk(1, 0.2)
    assert kernel.shape == (5, 5)
    assert kernel.sum().item() == pytest.approx(1)
    assert kernel[2, 2].item() == pytest.approx((middle**2 + 4 * middle * side) / 5)
    assert kernel[1, 2].item() == pytest.approx((middle**2 + middle * side + 2 * side**2) / 5)
    assert kernel[0, 0].item() == 0
    point = filters.disk(0.3, 0.4)
    bell = np.exp(-np.array([1, 0, 1]) / (2 * 0.4**2))
    np.testing.assert_allclose(point.numpy(), np.outer(bell, bell) / bell.sum() ** 2, rtol=1e-12)
    assert int((filters.disk(1.5, 0.01) > 1e-9).sum()) == 9  # (1,1) is √2 away, (2,0) is 2


def test_defocus_is_a_convolution_with_a_mirrored_border(images, draws):
    x = images(2, 2, 11, 12)
    kernel = filters.disk(1.5, 0.1).numpy()
    expected = np.stack([[ndimage.convolve(c, kernel, mode="mirror") for c in image] for image in x.numpy()])
    np.testing.assert_allclose(CORRUPTIONS["defocus-blur"](x, 5, draws).numpy(), expected, rtol=0, atol=1e-6)


def test_motion_at_given_angles_by_hand():
    """σ = 1, r = 1: weights 1, e^−½, e^−2. A point is smeared against the direction that the pixels look in."""
    x = torch.zeros(4, 1, 7, 7)
    x[:, :, 3, 3] = 1
    weights = np.exp(-np.array([0.0, 1.0, 4.0]) / 2)
    weights /= weights.sum()
    smeared = filters.drag(x, 1, 1.0, torch.tensor([0.0, 90.0, -45.0, 180.0]))
    for image, (down, right) in zip(smeared[:, 0], [(0, -1), (-1, 0), (1, -1), (0, 1)], strict=True):
        expected = torch.zeros(7, 7)
        for i, step in enumerate([0, 1, 1 if abs(down) + abs(right) == 2 else 2]):
            # At 45° a distance of 2 is 1.41 along each axis: pixel 1 again.
            expected[3 + step * down, 3 + step * right] += weights[i]
        torch.testing.assert_close(image, expected)


def test_motion_keeps_constant_images_and_draws_an_angle_for_each(draws):
    flat = torch.full((2, 3, 28, 28), 0.3)
    torch.testing.assert_close(CORRUPTIONS["motion-blur"](flat, 5, draws), flat)
    x = torch.zeros(3, 1, 28, 28)
    x[..., 14, 14] = 1
    blurred = CORRUPTIONS["motion-blur"](x, 5, draws)
    assert (blurred[0] != blurred[1]).any()
    assert (blurred[..., 15:] == 0).all()  # −45° to 45° looks to the right only
    assert blurred.sum((1, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=1e-3)


@pytest.mark.parametrize("factor", [1.01, 1.07, 1.25, 1.75, 2.25])
@pytest.mark.parametrize("side", [28, 32])
def test_zooming_is_scipys(images, side, factor):
    x = images(2, 1, side, side)
    inner = math.ceil(side / factor)
    top = (side - inner) // 2
    crop = x[..., top : top + inner, top : top + inner].numpy()
    larger = ndimage.zoom(crop, (1, 1, factor, factor), order=1)
    trim = (larger.shape[-1] - side) // 2
    expected = larger[..., trim : trim + side, trim : trim + side]
    np.testing.assert_allclose(filters.zoom(x, factor).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("severity", "end"), list(enumerate([1.06, 1.11, 1.16, 1.21, 1.26], start=1)))
def test_zoom_blur_takes_the_published_factors(images, draws, severity, end):
    x = images(2, 3, 32, 32)
    factors = np.arange(1, end, 0.01)
    expected = (x + sum(filters.zoom(x, factor) for factor in factors)) / (len(factors) + 1)
    torch.testing.assert_close(CORRUPTIONS["zoom-blur"](x, severity, draws), expected, rtol=0, atol=1e-4)


def test_glass_swaps_pixels_one_after_the_other(images):
    """A slow loop over images and pixels, with the same draws, without blur."""
    from frontdef_corruptions.blur import glass

    x = images(3, 2, 8, 9)
    shifts = torch.randint(-2, 2, (2 * 5 * 4, 2, 3), generator=torch.Generator().manual_seed(5))
    expected = x.clone()
    for n in range(3):
        index = 0
        for _ in range(2):
            for row in range(6, 2, -1):
                for column in range(7, 2, -1):
                    down, right = shifts[index, :, n].tolist()
                    here, there = (
                        expected[n, :, row, column].clone(),
                        expected[n, :, row + down, column + right].clone(),
                    )
                    expected[n, :, row, column], expected[n, :, row + down, column + right] = there, here
                    index += 1
    got = glass(x, (0, 2, 2), torch.Generator().manual_seed(5), 1.0)
    assert torch.equal(got, expected)
    assert torch.equal(got.flatten(2).sort().values, x.flatten(2).sort().values)
    assert (got != x).any()


def test_relative_lengths_scale_with_the_side(images):
    x = images(1, 1, 16, 16)
    half = CORRUPTIONS["gaussian-blur"](x, 5, torch.Generator(), pixel=0.5)
    np.testing.assert_allclose(
        half.numpy(), ndimage.gaussian_filter(x.numpy(), (0, 0, 0.5, 0.5), mode="nearest"), rtol=0, atol=1e-6
    )
