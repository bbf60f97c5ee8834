"""The value is that of ART's own class, called by hand with the same parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from art.defences import preprocessor as art
from frontdef_art.randomness import draw_seed

BOX = (0.0, 1.0)
CASES = [
    ("art-jpeg", {}, lambda: art.JpegCompression(clip_values=BOX, channels_first=True)),
    ("art-jpeg", {"quality": 9}, lambda: art.JpegCompression(clip_values=BOX, channels_first=True, quality=9)),
    ("art-feature-squeezing", {}, lambda: art.FeatureSqueezing(clip_values=BOX)),
    ("art-feature-squeezing", {"bit_depth": 1}, lambda: art.FeatureSqueezing(clip_values=BOX, bit_depth=1)),
    ("art-feature-squeezing", {"bit_depth": 64}, lambda: art.FeatureSqueezing(clip_values=BOX, bit_depth=64)),
    ("art-spatial-smoothing", {}, lambda: art.SpatialSmoothing(channels_first=True)),
    ("art-spatial-smoothing", {"window_size": 4}, lambda: art.SpatialSmoothing(4, channels_first=True)),
    (
        "art-spatial-smoothing-pytorch",
        {"window_size": 4},
        lambda: art.SpatialSmoothingPyTorch(4, channels_first=True, device_type="cpu"),
    ),
    ("art-thermometer", {}, lambda: art.ThermometerEncoding(clip_values=BOX, channels_first=True)),
    ("art-thermometer", {"num_space": 3}, lambda: art.ThermometerEncoding(BOX, num_space=3, channels_first=True)),
]


@pytest.mark.parametrize(("name", "config", "by_hand"), CASES, ids=[f"{name} {config}" for name, config, _ in CASES])
def test_deterministic(name, config, by_hand, build, gray, rgb):
    for images in (gray[:3], rgb[:2], rgb[:2, :2]):
        theirs, _ = by_hand()(images.numpy().copy())
        assert torch.equal(build(name, **config)(images), torch.from_numpy(theirs).float())


@pytest.mark.parametrize("config", [{}, {"norm": 1, "lamb": 0.1, "prob": 0.8, "solver": "CG", "max_iter": 3}])
def test_total_variation_minimization_gets_channels_last(config, build, gray, rgb):
    for images in (gray[:2], rgb[:2]):
        front_end = build("art-tv-min", **config)
        front_end.reseed(11)
        ours = front_end(images)
        np.random.seed(draw_seed(torch.Generator().manual_seed(11)))
        theirs, _ = art.TotalVarMin(clip_values=BOX, **config)(images.permute(0, 2, 3, 1).numpy().copy())
        assert torch.equal(ours, torch.from_numpy(theirs).permute(0, 3, 1, 2))


def test_gaussian_noise(build, rgb):
    front_end = build("art-gaussian-augmentation", sigma=0.2)
    front_end.reseed(11)
    ours = front_end(rgb)
    np.random.seed(draw_seed(torch.Generator().manual_seed(11)))
    theirs, _ = art.GaussianAugmentation(sigma=0.2, augmentation=False, clip_values=BOX)(rgb.numpy())
    assert torch.equal(ours, torch.from_numpy(theirs))


def test_numbers_worked_out_by_hand(build):
    x = torch.tensor([0.0, 0.1, 0.49, 0.51, 1.0]).view(1, 1, 1, 5)
    assert build("art-feature-squeezing", bit_depth=1)(x).flatten().tolist() == [0, 0, 0, 1, 1]
    lit = build("art-thermometer", num_space=4)(x)
    assert lit[0, :, 0].T.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    # repeated edges: windows (0,0,.1), (0,.1,.49), (.1,.49,.51), (.49,.51,1), (.51,1,1) in each of three equal rows
    assert build("art-spatial-smoothing")(x).flatten().tolist() == pytest.approx([0, 0.1, 0.49, 0.51, 1])
    spike = torch.zeros(1, 1, 5, 5).index_put_(
        (torch.tensor(0), torch.tensor(0), *torch.tensor([[2], [2]])), torch.ones(1)
    )
    assert build("art-spatial-smoothing")(spike).abs().max() == 0
    flat = torch.full((1, 3, 16, 16), 100 / 255)
    torch.testing.assert_close(build("art-jpeg")(flat), flat, atol=1 / 255, rtol=0)
