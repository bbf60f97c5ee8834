"""Contrast, elastic transform, pixelate and JPEG against Pillow, SciPy and slow loops."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from frontdef_corruptions.digital import _affine, _grid, _sample, elastic
from frontdef_corruptions.table import CORRUPTIONS
from PIL import Image
from scipy import ndimage


@pytest.mark.parametrize(("severity", "share"), list(enumerate([0.75, 0.5, 0.4, 0.3, 0.15], start=1)))
def test_contrast_shrinks_each_channel_around_its_mean(images, draws, severity, share):
    x = images(2, 3, 8, 8) * torch.tensor([1.0, 0.5, 0.2]).view(3, 1, 1)
    got = CORRUPTIONS["contrast"](x, severity, draws)
    torch.testing.assert_close(got.mean((2, 3)), x.mean((2, 3)))
    torch.testing.assert_close(got.std((2, 3)), share * x.std((2, 3)))


@pytest.mark.parametrize(("severity", "quality"), list(enumerate([80, 65, 58, 50, 40], start=1)))
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows_at_the_published_quality(images, draws, severity, quality, channels):
    x = images(2, channels, 28, 28)
    got = CORRUPTIONS["jpeg-compression"](x, severity, draws)
    for image, compressed in zip(x, got, strict=True):
        pixels = np.round(255 * image.numpy().transpose(1, 2, 0)).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(file, "JPEG", quality=quality)
        expected = np.asarray(Image.open(file)).reshape(28, 28, channels).transpose(2, 0, 1)
        np.testing.assert_array_equal((255 * compressed).round().numpy(), expected)


@pytest.mark.parametrize(("severity", "share"), list(enumerate([0.95, 0.9, 0.85, 0.75, 0.65], start=1)))
@pytest.mark.parametrize("size", [(32, 32), (28, 28), (20, 31)])
def test_pixelate_is_pillows_box_filter(images, draws, severity, share, size):
    x = images(1, 1, *size)
    got = CORRUPTIONS["pixelate"](x, severity, draws)
    height, width = size
    image = Image.fromarray(x[0, 0].numpy())  # mode F: Pillow computes in float
    small = image.resize((int(width * share), int(height * share)), Image.Resampling.BOX)
    expected = np.asarray(small.resize((width, height), Image.Resampling.BOX))
    np.testing.assert_allclose(got[0, 0].numpy(), expected, rtol=0, atol=1e-5)


def test_sampling_is_scipys(images, draws):
    """Linear interpolation; outside, the border is mirrored with or without repeating it."""
    x = images(2, 2, 9, 11)
    places = _grid(9, 11) + 8 * torch.rand((2, 9, 11, 2), generator=draws, dtype=torch.float64) - 4
    for align_corners, mode in [(True, "mirror"), (False, "reflect")]:
        got = _sample(x, places, align_corners)
        for n in range(2):
            where = places[n].permute(2, 0, 1).flip(0).numpy()
            for c in range(2):
                expected = ndimage.map_coordinates(x[n, c].numpy(), where, order=1, mode=mode)
                np.testing.assert_allclose(got[n, c].numpy(), expected, rtol=0, atol=1e-5)


def test_the_affine_map_takes_moved_corners_to_their_origins(draws):
    """What lands on a moved corner comes from the corner: so the inverse map has the corners as values there."""
    state = draws.get_state()
    sources = _affine(2, 28, 32, 2.0, draws)
    jitter = torch.Generator()
    jitter.set_state(state)
    moves = 2.0 * (2 * torch.rand((2, 3, 2), generator=jitter, dtype=torch.float64) - 1)
    corners = torch.tensor([[25.0, 23.0], [25.0, 5.0], [7.0, 5.0]], dtype=torch.float64)
    for n in range(2):
        origin = sources[n, 0, 0]
        right, down = sources[n, 0, 1] - origin, sources[n, 1, 0] - origin
        for corner, move in zip(corners, moves[n], strict=True):
            x, y = (corner + move).tolist()
            torch.testing.assert_close(origin + x * right + y * down, corner)
    assert moves.abs().max() > 1


def test_nothing_moves_without_amplitude_and_jitter(images, draws):
    x = images(2, 3, 28, 28)
    torch.testing.assert_close(elastic(x, (0, 0, 0), draws, 1.0), x)


def test_displacements_are_smooth_and_as_large_as_published(images):
    """Severity 4 of 32x32: uniform noise in ±1, smoothed with σ = 1.28, times 3.2, on top of the affine map."""
    x = images(1, 1, 32, 32)
    seeded = torch.Generator().manual_seed(2)
    sources = _affine(1, 32, 32, 0.05 * 32, seeded)
    moved = ndimage.map_coordinates(
        x[0, 0].numpy(), sources[0].permute(2, 0, 1).flip(0).numpy(), order=1, mode="mirror"
    )
    noise = (2 * torch.rand((1, 2, 32, 32), generator=seeded, dtype=torch.float64) - 1)[0].numpy()
    shift = [3.2 * ndimage.gaussian_filter(part, 1.28, mode="reflect", truncate=3) for part in noise]
    rows, columns = np.mgrid[:32, :32].astype(float)
    expected = ndimage.map_coordinates(moved, [rows + shift[1], columns + shift[0]], order=1, mode="reflect")
    got = CORRUPTIONS["elastic-transform"](x, 4, torch.Generator().manual_seed(2))
    np.testing.assert_allclose(got[0, 0].numpy(), expected, rtol=0, atol=1e-4)
