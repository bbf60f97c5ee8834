"""A configuration that cannot work is refused with the reason; an untrained front end defends nothing."""

from __future__ import annotations

import pytest
import torch
from frontdef_polarize import frontdef_defenses
from torch import nn

import frontdef
from frontdef.errors import ConfigError, NotTrainedError, UnknownNameError
from frontdef.protected import Protected
from frontdef.registry import get_classifier


@pytest.fixture(scope="module")
def defense():
    (offered,) = frontdef_defenses()
    return offered


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"thresholds": (0.5, -0.5)}, r"thresholds ascend.*\(-0.5, 0.5\)"),
        ({"thresholds": (0.1, 0.1)}, "ascend"),
        ({"thresholds": ()}, "at least 1"),
        ({"thresholds": (-1.0, 0.5)}, "between -1 and 1"),
        ({"thresholds": (0.5, 3)}, "between -1 and 1"),
        ({"clusters": (5, 3)}, "cluster counts ascend"),
        ({"clusters": (1,)}, "from 2 on"),
        ({"padding": 5}, "padding is less than size = 5"),
        ({"sigma1": 0}, "greater than 0"),
        ({"filters": 0}, "greater than or equal to 1"),
        ({"source": "pixel"}, "'filters' or 'pixels'"),
        ({"threshold": 0.3}, "did you mean 'thresholds'"),
    ],
    ids=str,
)
def test_bad_values_are_named(defense, values, message):
    with pytest.raises(ConfigError, match=message):
        defense.build(values, image_shape=(1, 28, 28))


def test_it_is_built_for_one_image_shape(defense):
    with pytest.raises(ConfigError, match=r"image_shape=\(C, H, W\)"):
        defense.build({})


def test_unknown_surrogate(defense):
    with pytest.raises(UnknownNameError, match="'smooth'"):
        defense.build({}, image_shape=(1, 28, 28), surrogate="smoth")


def test_untrained_it_is_not_attacked(make, images):
    protected = Protected(make(), nn.Sequential(nn.Flatten(), nn.Linear(25 * 784, 10)))
    with pytest.raises(NotTrainedError, match="train"):
        protected(images(1, 1, 28, 28))
    with pytest.raises(NotTrainedError):
        frontdef.load("polarize", image_shape=(1, 28, 28)).forward(images(1, 1, 28, 28))


def test_the_classifier_of_the_authors_code():
    """25→32 and 32→64, 5x5; 1024→100→10: with 625 filter weights, 175,431 (facts A1)."""
    classifier = get_classifier("polarize-cnn").build((25, 28, 28), 10, seed=0)
    assert sum(parameter.numel() for parameter in classifier.parameters()) + 625 == 175_431
    assert classifier(torch.zeros(2, 25, 28, 28)).shape == (2, 10)
    oblong = get_classifier("polarize-cnn").build((3, 20, 28), 4, seed=0)
    assert oblong(torch.zeros(1, 3, 20, 28)).shape == (1, 4)
    with pytest.raises(ConfigError, match="16x16"):
        get_classifier("polarize-cnn").build((25, 15, 28), 10, seed=0)
