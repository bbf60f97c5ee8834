"""Bad values are named with what is allowed, and the defaults are those of the authors' MNIST network."""

from __future__ import annotations

import pytest
import torch
from frontdef_l2nn import frontdef_defenses
from frontdef_l2nn.head import divided_head, head
from frontdef_l2nn.recipes import recipe

from frontdef.errors import ConfigError


@pytest.fixture(scope="module")
def defense():
    (offered,) = frontdef_defenses()
    return offered


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": "resnet20"}, "'convnet' or 'resnet'"),
        ({"widths": ()}, "at least 1 item"),
        ({"widths": (4, 0)}, "at least 1 channel"),
        ({"hidden": 0}, "greater than or equal to 1"),
        ({"kernel": 4}, "kernel = 4 is even.*3 or 5"),
        ({"pool": 2, "pool_stride": 3}, "leaves pixels out"),
        ({"constraint": "project"}, "'regularize' or 'divide'"),
        ({"regularization": -0.1}, "greater than or equal to 0"),
        ({"z": 0}, "greater than 0"),
        ({"classes": 1}, "greater than or equal to 2"),
        ({"divide_before_conv": True}, "did you mean 'divide_before_convolution'"),
    ],
    ids=str,
)
def test_bad_values_are_named(defense, values, message):
    with pytest.raises(ConfigError, match=message):
        defense.build(values, image_shape=(1, 28, 28))


def test_images_that_are_pooled_away_are_named(defense):
    small = {"widths": (2, 2, 2), "hidden": 4}
    with pytest.raises(ConfigError, match="images of 7x9 are too small to be pooled 3 times by windows of 2"):
        defense.build(small, image_shape=(1, 7, 9))
    defense.build(small, image_shape=(1, 8, 9))
    defense.build({**small, "pool": 1}, image_shape=(1, 1, 1))
    with pytest.raises(ConfigError, match=r"image_shape=\(C, H, W\)"):
        defense.build(small)


def test_the_head_reads_vectors():
    for build in (head, divided_head):
        with pytest.raises(ConfigError, match=r"vectors \(D,\)"):
            build((2, 3, 4), 10)
        assert build((5,), 3)(torch.zeros(2, 5)).shape == (2, 3)


def test_the_defaults_are_the_authors(defense):
    """1→32, 64→64, 6272→1024: weights and biases, and the loss's u and v."""
    front_end = defense.build({}, image_shape=(1, 28, 28))
    shapes = [tuple(p.shape) for p in front_end.body.parameters() if p.ndim > 1]
    assert shapes == [(32, 1, 5, 5), (64, 64, 5, 5), (1024, 6272)]
    assert sum(p.numel() for p in front_end.parameters()) == 32 * 26 + 64 * 1601 + 1024 * 6273 + 10 + 1
    config = front_end.config
    assert (config.gamma, config.omega, config.z, config.regularization) == (1, 0.1, 1, 0.1)
    assert config.divide_before_convolution
    assert front_end(torch.zeros(1, 1, 28, 28)).shape == (1, 2048)


def test_a_resnet_has_nothing_but_known_layers(defense):
    front_end = defense.build({"network": "resnet"}, image_shape=(3, 32, 32))
    kernels = [p for p in front_end.body.parameters() if p.ndim == 4]
    assert len(kernels) == 3 + 3 * 3 * 2
    assert all(tuple(p.shape[2:]) == (3, 3) for p in kernels)


def test_the_recipe_follows_the_configuration(defense):
    (stage,) = recipe(defense.configure({}), "mnist")
    assert (stage.loss, stage.penalty, stage.penalty_weight) == ("l2nn", "nonexpansive", 0.1)
    assert (stage.optimizer, stage.lr, stage.batch_size) == ("adam", 1e-3, 128)
    (free,) = recipe(defense.configure({"regularization": 0}), "mnist")
    assert free.penalty == ""
    (short,) = defense.recipe_for({"regularization": 0.5}, "digits")
    assert short.penalty_weight == 0.5
    assert short.epochs < stage.epochs
