"""A configuration that cannot work is refused with the reason and the nearest thing that can."""

from __future__ import annotations

import re

import pytest
import torch
from frontdef_wavelet import frontdef_defenses

from frontdef.errors import ConfigError, UnknownNameError


@pytest.fixture(scope="module")
def defense():
    (offered,) = frontdef_defenses()
    return offered


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"wavelet": "bior44"}, "did you mean 'bior4.4'"),
        ({"wavelet": "morl"}, "no such wavelet"),
        ({"mode": "periodisation"}, "did you mean 'periodization'"),
        ({"keep": 0.0}, "keep = 0.0: .*greater than 0"),
        ({"keep": -0.1}, "greater than 0"),
        ({"keep": 1.5}, "less than or equal to 1"),
        ({"keep": float("nan")}, "keep"),
        ({"levels": 0}, "levels = 0: .*greater than or equal to 1"),
        ({"channels": "both"}, "'joint' or 'separate'"),
        ({"level": 1}, "did you mean 'levels'"),
    ],
    ids=str,
)
def test_bad_values_are_named(defense, values, message):
    with pytest.raises(ConfigError, match=message):
        defense.build(values)


def test_too_many_levels(defense):
    with pytest.raises(ConfigError, match=r"levels = 6 is too many for images of 28x30.* at most 5"):
        defense.build({"levels": 6}, image_shape=(1, 28, 30))
    defense.build({"levels": 5}, image_shape=(1, 28, 30))(torch.rand(1, 1, 28, 30))
    with pytest.raises(ConfigError, match="at most 5"):
        defense.build({"levels": 6})(torch.rand(1, 1, 28, 30))


@pytest.mark.parametrize(("shape", "channels"), [((1, 5, 5), "joint"), ((3, 4, 4), "separate"), ((3, 3, 3), "joint")])
def test_keeping_nothing_names_a_keep_that_works(defense, shape, channels):
    values = {"keep": 0.001, "channels": channels}
    with pytest.raises(ConfigError, match="retains nothing") as error:
        defense.build(values, image_shape=shape)
    smallest = float(re.search(r"; (\S+) is the smallest keep", str(error.value)).group(1))
    assert defense.build({**values, "keep": smallest}, image_shape=shape).n_kept(shape) == 1
    with pytest.raises(ConfigError, match="retains nothing"):
        defense.build({**values, "keep": 0.95 * smallest}, image_shape=shape)


def test_unknown_surrogate(defense):
    with pytest.raises(UnknownNameError, match="'adjoint'"):
        defense.build({}, surrogate="adjont")


def test_the_defaults_are_the_papers(defense):
    config = defense.configure({})
    assert (config.wavelet, config.keep, config.levels, config.mode) == ("bior4.4", 0.03, 1, "periodization")
    assert defense.build({}, image_shape=(1, 28, 28)).n_kept((1, 28, 28)) == 23
