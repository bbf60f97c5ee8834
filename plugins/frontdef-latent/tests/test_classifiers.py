"""1L, 2L and LRL."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef.errors import ConfigError


def layers(classifier):
    return [layer for layer in classifier.body if not isinstance(layer, nn.Flatten)]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("latent-1l", [nn.Linear]),
        ("latent-2l", [nn.Linear, nn.Linear]),
        ("latent-lrl", [nn.Linear, nn.ReLU, nn.Linear]),
    ],
)
def test_layers_are_those_of_the_name_for_codes_and_images(classifiers, name, kinds):
    for shape in ((32,), (1, 28, 28)):
        classifier = classifiers[name].build(shape, 10)
        assert [type(layer) for layer in layers(classifier)] == kinds
        assert classifier(torch.rand(3, *shape)).shape == (3, 10)


@pytest.mark.parametrize(("name", "is_linear"), [("latent-1l", True), ("latent-2l", True), ("latent-lrl", False)])
def test_2l_is_as_linear_as_1l(classifiers, name, is_linear):
    classifier = classifiers[name].build((32,), 10)
    code, other_code = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    bent = classifier(code + other_code) - classifier(code) - classifier(other_code) + classifier(torch.zeros(5, 32))
    assert (bent.abs().max().item() < 1e-5) is is_linear


def test_2l_spans_what_1l_does(classifiers):
    """Its hidden layer is not narrower than the logits: any matrix is a product of its two."""
    first, second = layers(classifiers["latent-2l"].build((32,), 10))
    assert first.out_features >= second.out_features


@pytest.mark.parametrize("name", ["latent-1l", "latent-2l", "latent-lrl"])
def test_empty_shapes_are_named(classifiers, name):
    with pytest.raises(ConfigError, match=f"{name}.*at least one value"):
        classifiers[name].build((0, 4), 10)
