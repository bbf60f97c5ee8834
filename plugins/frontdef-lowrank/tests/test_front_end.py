"""The front end: which network it is, what finishing does to it, and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from frontdef_lowrank import frontdef_defenses
from frontdef_lowrank.config import LowRankConfig
from frontdef_lowrank.networks import body
from frontdef_lowrank.recipes import recipe
from frontdef_lowrank.reduction import reduce
from frontdef_lowrank.svd import attenuate
from torch import nn

from frontdef import Classifier
from frontdef.classifiers.dense import linear
from frontdef.errors import ConfigError, ImageError, UnknownNameError
from frontdef.lazy import resolve
from frontdef.protected import Protected
from frontdef.registry import get_classifier


@pytest.fixture(scope="module")
def defense():
    (offered,) = frontdef_defenses()
    return offered


def test_the_reports_networks():
    kinds = {name: [type(layer) for layer in body(name, (1, 28, 28), 50)] for name in ("1l", "2l", "lrl")}
    assert kinds == {
        "1l": [nn.Flatten],
        "2l": [nn.Flatten, nn.Linear],
        "lrl": [nn.Flatten, nn.Linear, nn.ReLU],
    }
    assert body("2l", (3, 4, 5), 50)[1].weight.shape == (50, 60)


@pytest.mark.parametrize("network", ["fc2", "cnn4", "small-cnn", "resnet32"])
def test_a_classifier_is_its_body_and_its_last_layer(network):
    torch.manual_seed(3)
    whole = resolve(get_classifier(network).builder)((1, 28, 28), 2).eval()
    torch.manual_seed(3)
    part = body(network, (1, 28, 28), 100).eval()
    x = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(whole[-1](part(x)), whole(x))
    assert part(x).ndim == 2


def test_a_network_that_can_not_be_divided(monkeypatch):
    from frontdef_lowrank import networks

    odd = Classifier("odd", lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(784, 2), nn.ReLU()))
    monkeypatch.setattr(networks, "get_classifiers", lambda: [odd])
    monkeypatch.setattr(networks, "get_classifier", lambda name: odd)
    with pytest.raises(ConfigError, match="classifier 'odd' is a Sequential that does not end in a linear layer"):
        body("odd", (1, 28, 28), 10)


def test_finishing_reduces_the_body_and_the_last_layer(original, reduced):
    whole = reduced(share=0.4)
    for share, factor, how in [(0.4, 0.1, "scale"), (0.4, 0.0, "zero"), (0.2, 0.9, "scale")]:
        model = reduced(share=share, factor=factor or 0.1, how=how)
        for own, before in [
            (model.front_end.body[1], original.front_end.body[1]),
            (model.classifier[1], original.classifier[1]),
        ]:
            assert torch.equal(own.weight, attenuate(before.weight, share, factor))
            assert torch.equal(own.bias, before.bias)
    kept = reduced(share=0.4, last_layer=False)
    assert torch.equal(kept.classifier[1].weight, original.classifier[1].weight)
    assert torch.equal(kept.front_end.body[1].weight, whole.front_end.body[1].weight)


def test_it_is_the_reduced_network(original, reduced, digits):
    foreign = reduce(nn.Sequential(original.front_end.body, original.classifier), share=0.4)
    with torch.no_grad():
        torch.testing.assert_close(reduced(share=0.4)(digits.test.images), foreign(digits.test.images))


def test_a_share_of_nothing_is_the_original(original, reduced, digits):
    same = reduced(share=0.0)
    assert torch.equal(same.predict(digits.test.images), original.predict(digits.test.images))
    assert (original.predict(digits.test.images).argmax(1) == digits.test.labels).float().mean() > 0.8


def test_one_layer_has_it_all_in_its_last_one(build):
    front_end = build(network="1l", share=0.5)
    head = linear((1 * 28 * 28,), 10)
    before = copy.deepcopy(head)
    front_end.finish(head)
    assert list(front_end.parameters()) == []
    assert torch.equal(head[1].weight, attenuate(before[1].weight, 0.5, 0.1))
    assert front_end.figures(torch.rand(2, 1, 28, 28)) == {}


def test_convolutions_only_where_they_are_asked_for(build):
    """small-cnn has convolutions at 0 and 3, its hidden layer at 7."""
    for layers, changed in [("linear", {7}), ("conv", {0, 3}), ("all", {0, 3, 7})]:
        front_end = build(network="small-cnn", layers=layers, last_layer=False, image_shape=(1, 4, 4))
        before = copy.deepcopy(front_end.body)
        front_end.finish(nn.Linear(2, 2))
        assert {i for i in (0, 3, 7) if not torch.equal(front_end.body[i].weight, before[i].weight)} == changed


def test_an_untrained_one_is_no_defense(build):
    with pytest.raises(ConfigError, match=r"LowRankFrontEnd has not been trained.*frontdef train"):
        Protected(build(), linear((100,), 10))(torch.rand(1, 1, 28, 28))


def test_images_of_another_size(original):
    with pytest.raises(ImageError, match=r"\(N,1,28,28\) are expected"):
        original(torch.rand(2, 1, 32, 32))
    with pytest.raises(ImageError, match=r"\(N,1,28,28\) are expected"):
        original(torch.rand(2, 3, 28, 28))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 1.5}, "share = 1.5: .*less than or equal to 1"),
        ({"share": -0.1}, "greater than or equal to 0"),
        ({"how": "scaled"}, "'scale' or 'zero'"),
        ({"factor": 2}, "less than or equal to 1"),
        ({"layers": "dense"}, "'all', 'linear' or 'conv'"),
        ({"width": 0}, "greater than or equal to 1"),
        ({"share": 1, "how": "zero"}, "zeroes every weight: choose share < 1"),
        ({"shar": 0.1}, "did you mean 'share'"),
    ],
    ids=str,
)
def test_bad_values_are_named(defense, values, message):
    with pytest.raises(ConfigError, match=message):
        defense.build(values, image_shape=(1, 28, 28))


def test_unknown_network_and_missing_shape(defense):
    with pytest.raises(UnknownNameError, match=r"unknown network 'cnn5'. Did you mean 'cnn4'.*2l.*ls classifiers"):
        defense.build({"network": "cnn5"}, image_shape=(1, 28, 28))
    with pytest.raises(ConfigError, match="give image_shape"):
        defense.build({})
    with pytest.raises(ConfigError, match="'linear' reads inputs of at least one value"):
        linear((0,), 10)


def test_the_defaults_are_the_reports():
    config = LowRankConfig()
    assert (config.network, config.share, config.how, config.factor) == ("2l", 0.4, "scale", 0.1)
    (stage,) = recipe(config, "mnist")
    assert (stage.epochs, stage.batch_size, stage.optimizer) == (50, 1000, "adam")
    assert recipe(LowRankConfig(network="cnn4"), "mnist")[0].epochs == 6
    assert sum(stage.epochs for stage in recipe(config, "digits")) <= 20
