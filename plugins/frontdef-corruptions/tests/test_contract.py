"""Every corruption: batched, pure, reproducible, in range, worse with severity; and the metrics on a known model."""

from __future__ import annotations

import pytest
import torch
from frontdef_corruptions.metrics import CorruptionsParameters, GaussianNoiseParameters, corruptions, gaussian_noise
from frontdef_corruptions.table import COMMON, CORRUPTIONS
from torch import Generator

from frontdef import config
from frontdef.errors import ConfigError


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_stay_images(images, name):
    for shape in [(3, 1, 28, 28), (2, 3, 32, 32)]:
        x = images(*shape)
        before, state = x.clone(), torch.get_rng_state()
        got = CORRUPTIONS[name](x, 3, Generator().manual_seed(0))
        again = CORRUPTIONS[name](x, 3, Generator().manual_seed(0))
        assert torch.equal(got, again)
        assert torch.equal(x, before)
        assert torch.equal(torch.get_rng_state(), state)
        assert got.shape == x.shape
        assert got.dtype == torch.float32
        assert got.min() >= 0
        assert got.max() <= 1
        assert (got != x).any()


def photographs():
    """Something with edges, texture and color, in place of photographs."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 32), indexing="ij")
    shapes = ((rows - 0.5) ** 2 + (columns - 0.4) ** 2 < 0.08).float()
    stripes = 0.5 + 0.3 * torch.sin(20 * (rows + 2 * columns))
    colors = torch.stack([0.2 + 0.6 * shapes, 0.7 * stripes, 0.3 + 0.4 * rows * shapes])
    return colors.expand(64, 3, 32, 32).contiguous()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_grows(name):
    """Mean squared change of severity 5 beside that of 1, but for two whose published levels do not order it."""
    x = photographs()
    change = [(CORRUPTIONS[name](x, s, Generator().manual_seed(0)) - x).square().mean().item() for s in (1, 5)]
    assert change[0] > 0
    if name not in ("elastic-transform", "glass-blur"):
        assert change[1] > 1.5 * change[0]


def test_the_fifteen_without_frost():
    assert len(COMMON) == 14
    assert set(CORRUPTIONS) - set(COMMON) == {"speckle-noise", "gaussian-blur"}


def test_gaussian_noise_on_a_known_model(bright):
    """Half of the images is on the edge, so that the mean of the noise decides; the others no noise can move."""
    x = torch.cat([torch.full((200, 1, 28, 28), 0.5), torch.full((20, 1, 28, 28), 0.9)])
    shares = gaussian_noise(bright, x, torch.ones(220).long(), GaussianNoiseParameters(sigma=(0.1, 0.2)), seed=0)
    assert list(shares) == ["σ=0.1", "σ=0.2"]
    for values in shares.values():
        assert values.shape == (220,)
        assert set((3 * values).round().tolist()) == {0, 1, 2, 3}
        assert values[:200].mean().item() == pytest.approx(0.5, abs=0.1)
        assert (values[200:] == 1).all()
    assert bright.passes.forward == 0


def test_corruptions_on_a_known_model(bright):
    """Brightness 5 adds 0.3: an image of 0.25 passes a half, one of 0.15 does not."""
    x = torch.cat([torch.full((1, 1, 28, 28), value) for value in (0.15, 0.25, 0.6)])
    parameters = CorruptionsParameters(corruptions=("brightness", "contrast"), severities=(1, 5))
    shares = corruptions(bright, x, torch.ones(3).long(), parameters, seed=0)
    assert {name: values.tolist() for name, values in shares.items() if name != "mean"} == {
        "brightness 1": [0, 0, 1],
        "brightness 5": [0, 1, 1],
        "contrast 1": [0, 0, 1],
        "contrast 5": [0, 0, 1],
    }
    assert shares["mean"].tolist() == [0, 0.25, 1]


def test_a_corruption_draws_the_same_whatever_else_is_asked_for(bright):
    """Images on the edge: each draw of the noise decides anew."""
    x, y = torch.full((60, 1, 28, 28), 0.5), torch.ones(60).long()

    def measure(names, severities, seed):
        parameters = CorruptionsParameters(corruptions=names, severities=severities)
        return corruptions(bright, x, y, parameters, seed)["shot-noise 2"].tolist()

    alone = measure(("shot-noise",), (2,), 4)
    assert 0 < sum(alone) < 60
    assert measure(("snow", "shot-noise"), (1, 2), 4) == alone
    assert measure(("shot-noise",), (2,), 5) != alone


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"corruptions": ["fogg"]}, "Did you mean 'fog'"),
        ({"corruptions": ["frost"]}, "'frost' is left out: it pastes photographs"),
        ({"severities": [6]}, "less than or equal to 5"),
        ({"corruption": ["fog"]}, "did you mean 'corruptions'"),
    ],
    ids=str,
)
def test_bad_parameters_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        config.build(CorruptionsParameters, values, "metric 'corruptions'")
