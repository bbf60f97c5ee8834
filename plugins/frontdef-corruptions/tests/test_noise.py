"""Noise has the published mean and variance, per value and channel."""

from __future__ import annotations

import pytest
import torch
from frontdef_corruptions.table import CORRUPTIONS

VALUE = 0.4
SIZE = (8, 3, 64, 64)


def noisy(name, severity, draws):
    return CORRUPTIONS[name](torch.full(SIZE, VALUE), severity, draws)


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize(
    ("name", "variances"),
    [
        ("gaussian-noise", {1: 0.04**2, 3: 0.08**2, 5: 0.1**2}),
        ("speckle-noise", {1: (0.4 * 0.06) ** 2, 3: (0.4 * 0.12) ** 2, 5: (0.4 * 0.2) ** 2}),
        ("shot-noise", {1: 0.4 / 500, 3: 0.4 / 100, 5: 0.4 / 50}),
    ],
)
def test_mean_and_variance(name, variances, severity, draws):
    values = noisy(name, severity, draws).double()
    n = values.numel()
    std = variances[severity] ** 0.5
    assert values.mean().item() == pytest.approx(VALUE, abs=5 * std / n**0.5)
    assert values.var().item() == pytest.approx(variances[severity], rel=0.03)


def test_shot_noise_counts_photons(draws):
    counts = noisy("shot-noise", 1, draws) * 500
    torch.testing.assert_close(counts, counts.round(), rtol=0, atol=1e-3)
    assert not CORRUPTIONS["shot-noise"](torch.zeros(SIZE), 5, draws).any()


@pytest.mark.parametrize(("severity", "share"), [(1, 0.01), (3, 0.03), (5, 0.07)])
def test_impulse_noise_is_half_salt_half_pepper(severity, share, draws):
    values = noisy("impulse-noise", severity, draws)
    n = values.numel()
    spread = 5 * (share / 2 / n) ** 0.5
    assert (values == 1).double().mean().item() == pytest.approx(share / 2, abs=spread)
    assert (values == 0).double().mean().item() == pytest.approx(share / 2, abs=spread)
    untouched = (values != 0) & (values != 1)
    assert (values[untouched] == VALUE).all()
    hit = ~untouched
    assert (hit[:, 0] != hit[:, 1]).any()  # channels are hit apart


@pytest.mark.parametrize("name", ["gaussian-noise", "shot-noise", "speckle-noise"])
def test_values_are_independent(name, draws):
    noise = (noisy(name, 3, draws) - VALUE).double()
    power = noise.square().mean()
    for values, neighbors in [
        (noise[:, 0], noise[:, 1]),
        (noise[..., 1:], noise[..., :-1]),
        (noise[..., 1:, :], noise[..., :-1, :]),
        (noise[1:], noise[:-1]),
    ]:
        assert abs((values * neighbors).mean() / power) < 0.02
