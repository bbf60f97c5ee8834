"""The distribution offers its records through the entry point, refuses what cannot work, and costs no ML import."""

from __future__ import annotations

import frontdef_hah
import pytest
from frontdef_hah import frontdef_classifiers, frontdef_defenses, frontdef_metrics

from frontdef.errors import ConfigError, UnknownNameError
from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-hah"


@pytest.fixture(scope="module")
def defense():
    (offered,) = frontdef_defenses()
    return offered


def test_the_entry_point_gives_the_defense():
    (defense,) = frontdef_hah.frontdef_defenses()
    assert defense.front_end_class().__name__ == "HahFrontEnd"
    assert not defense.certified
    assert defense.front_end_class().learns


def test_classifiers_and_metrics_can_be_built(defense):
    names = {classifier.name for classifier in frontdef_classifiers()}
    assert names == {"hah-tail", "vgg16", "vgg-narrow", "vgg-small"}
    assert defense.classifier in names
    for classifier in frontdef_classifiers():
        shape = {"hah-tail": (64, 14, 14), "vgg16": (3, 32, 32), "vgg-narrow": (3, 32, 32), "vgg-small": (1, 28, 28)}[
            classifier.name
        ]
        classifier.build(shape, 10)
    for metric in frontdef_metrics():
        metric.parameters_class()()


@pytest.mark.parametrize(
    ("values", "shape", "message"),
    [
        ({"sigma": 1.5}, (1, 28, 28), "sigma = 1.5: .*less than or equal to 1"),
        ({"quantile": 1.0}, (1, 28, 28), "less than 1"),
        ({"alphas": [0.1, -0.1]}, (1, 28, 28), "greater than or equal to 0"),
        ({"alphas": []}, (1, 28, 28), "at least 1"),
        ({"field": "max"}, (1, 28, 28), "'mean' or 'max3'"),
        ({"hah_blocks": 4}, (1, 28, 28), "hah_blocks = 4, but the front end of this size has 3 blocks: 0 to 3"),
        ({"size": "vgg16"}, (3, 3, 3), "pools 4x4 pixels into one value"),
        ({"sigmas": 0.1}, (1, 28, 28), "did you mean 'sigma'"),
        ({}, None, "image_shape"),
    ],
    ids=str,
)
def test_bad_values_are_named(defense, values, shape, message):
    with pytest.raises(ConfigError, match=message):
        defense.build(values, image_shape=shape)


def test_unknown_surrogate(defense):
    with pytest.raises(UnknownNameError, match="'identity'"):
        defense.build({}, image_shape=(1, 28, 28), surrogate="identiy")


def test_the_defaults_are_the_papers(defense):
    config = defense.configure({})
    assert (config.sigma, config.quantile, config.anti_hebbian, config.top_share) == (0.1, 0.8, 0.1, 0.1)
    assert config.alphas == (4.5e-3, 2.5e-3, 1.3e-3, 1e-3, 8e-4, 5e-4)
    assert (config.field, config.keep, config.threshold, config.normalization) == (
        "mean", "at-least", "quantile", "divisive",
    )  # fmt: skip
    assert config.implicit
    assert config.hebbian
