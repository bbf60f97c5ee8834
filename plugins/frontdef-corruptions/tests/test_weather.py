"""Snow, fog and brightness against their definitions."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from frontdef_corruptions import filters
from frontdef_corruptions.plasma import plasma
from frontdef_corruptions.table import CORRUPTIONS, LEFT_OUT, explain_unknown
from frontdef_corruptions.weather import gray


@pytest.mark.parametrize(("severity", "more"), list(enumerate([0.05, 0.1, 0.15, 0.2, 0.3], start=1)))
def test_brightness_raises_v_of_hsv(images, draws, severity, more):
    x = images(1, 3, 6, 6)
    x[..., 0, 0] = 0
    x[..., 1, 1] = 1
    got = CORRUPTIONS["brightness"](x, severity, draws)
    for row in range(6):
        for column in range(6):
            hue, saturation, value = colorsys.rgb_to_hsv(*x[0, :, row, column].tolist())
            expected = colorsys.hsv_to_rgb(hue, saturation, min(1, value + more))
            assert got[0, :, row, column].tolist() == pytest.approx(expected, abs=1e-6)


def test_brightness_of_grey(draws):
    x = torch.tensor([0.0, 0.5, 0.9]).view(1, 1, 1, 3)
    assert CORRUPTIONS["brightness"](x, 4, draws).flatten().tolist() == pytest.approx([0.2, 0.7, 1.0])


def slow_plasma(side, decay, draws):
    """Diamond-square on a torus, point by point; the noise is drawn in the order of the batched one."""
    grid = np.zeros((side, side))
    step, wibble = side, 100.0
    while step >= 2:
        half, cells = step // 2, side // step

        def noise(cells=cells, wibble=wibble):
            return wibble**2 * (2 * torch.rand((1, cells, cells), generator=draws)[0].double().numpy() - 1)

        for offsets, places in [
            ((half, half), [(-half, -half), (-half, half), (half, -half), (half, half)]),
            ((0, half), [(0, -half), (0, half), (-half, 0), (half, 0)]),
            ((half, 0), [(0, -half), (0, half), (-half, 0), (half, 0)]),
        ]:
            extra = noise()
            for i in range(cells):
                for j in range(cells):
                    row, column = i * step + offsets[0], j * step + offsets[1]
                    around = [grid[(row + down) % side, (column + right) % side] for down, right in places]
                    grid[row, column] = sum(around) / 4 + extra[i, j]
        step, wibble = half, wibble / decay
    return (grid - grid.min()) / (grid.max() - grid.min())


@pytest.mark.parametrize("decay", [1.75, 3])
def test_clouds_are_diamond_square_on_a_torus(decay):
    got = plasma(1, (16, 16), decay, torch.Generator().manual_seed(7))[0, 0]
    expected = slow_plasma(16, decay, torch.Generator().manual_seed(7))
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-5)


def test_clouds_differ_and_are_rougher_with_less_decay(draws):
    smooth, rough = (plasma(16, (28, 28), decay, draws) for decay in (3, 1.5))
    assert smooth.shape == (16, 1, 28, 28)
    assert (smooth[0] != smooth[1]).any()
    assert rough.diff(dim=3).abs().mean() > 2 * smooth.diff(dim=3).abs().mean()
    assert smooth.min() >= 0
    assert smooth.max() <= 1


@pytest.mark.parametrize(("severity", "thickness", "decay"), [(1, 0.2, 3), (3, 0.75, 2.5), (5, 1.5, 1.75)])
def test_fog_keeps_the_images_maximum_as_its_scale(images, severity, thickness, decay):
    x = images(4, 3, 32, 32) * torch.tensor([1.0, 0.8, 0.5, 0.2]).view(4, 1, 1, 1)
    got = CORRUPTIONS["fog"](x, severity, torch.Generator().manual_seed(1))
    cloud = plasma(4, (32, 32), decay, torch.Generator().manual_seed(1))
    for image, foggy, fog in zip(x, got, cloud, strict=True):
        top = image.max()
        torch.testing.assert_close(foggy, (image + thickness * fog) * top / (top + thickness))
        assert foggy.max() <= top + 1e-6


def test_snow_is_flakes_over_a_paler_image(images):
    """Severity 2: layer N(0.1, 0.2), not magnified, cut at 0.5, blurred with radius 10 and σ = 4; 0.9 stays."""
    x = images(3, 3, 32, 32)
    seeded = torch.Generator().manual_seed(3)
    layer = 0.1 + 0.2 * torch.randn((3, 1, 32, 32), generator=seeded)
    flakes = torch.where(layer >= 0.5, layer, 0.0).clamp(max=1)
    angles = -135 + 90 * torch.rand(3, generator=seeded)
    blown = filters.drag(flakes, 10, 4, angles)
    luminance = 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]
    paler = 0.9 * x + 0.1 * torch.maximum(x, 1.5 * luminance + 0.5)
    expected = (paler + blown + torch.rot90(blown, 2, (2, 3))).clamp(0, 1)
    got = CORRUPTIONS["snow"](x, 2, torch.Generator().manual_seed(3))
    torch.testing.assert_close(got, expected)
    assert got.mean() > x.mean()


def test_luminance():
    assert gray(torch.ones(1, 3, 1, 1)).item() == pytest.approx(1)
    assert gray(torch.full((1, 1, 1, 1), 0.3)).item() == pytest.approx(0.3)


def test_frost_is_left_out_by_name():
    assert "frost" in LEFT_OUT
    assert "photographs" in explain_unknown("frost")
