"""The front end: what its weights are in training and after it, and what is refused."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsenet import frontdef_defenses
from frontdef_sparsenet.config import SparseNetConfig
from frontdef_sparsenet.networks import body
from frontdef_sparsenet.recipes import recipe
from torch import nn

from frontdef import Stage
from frontdef.classifiers.dense import linear
from frontdef.errors import ConfigError, ImageError, NotTrainedError, UnknownNameError
from frontdef.lazy import resolve
from frontdef.protected import Protected
from frontdef.registry import get_classifier
from frontdef.training import fit_classifier


@pytest.fixture(scope="module")
def defense():
    (offered,) = frontdef_defenses()
    return offered


def first_weight(front_end):
    return front_end.body[1].weight


@pytest.mark.parametrize("network", ["fc2", "cnn4", "small-cnn"])
def test_a_classifier_is_its_body_and_its_last_layer(network):
    torch.manual_seed(3)
    whole = resolve(get_classifier(network).builder)((1, 28, 28), 2).eval()
    torch.manual_seed(3)
    part = body(network, (1, 28, 28)).eval()
    x = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(whole[-1](part(x)), whole(x))


def test_the_share_that_is_kept(trained):
    """⌊0.03 · 7840⌋ = 235."""
    assert int((first_weight(trained.front_end) != 0).sum()) == 235


def test_it_still_tells_the_digits_apart(trained, digits):
    assert (trained.predict(digits.test.images).argmax(1) == digits.test.labels).float().mean() > 0.95


def test_finishing_changes_the_weights_and_not_the_function(build):
    front_end = build(gamma=0.7, keep=0.2).eval()
    x = torch.rand(5, 1, 28, 28)
    dense = first_weight(front_end).clone()
    with torch.no_grad():
        before = front_end(x)
        front_end.finish(nn.Identity())
        front_end.mark_trained()
        torch.testing.assert_close(front_end(x), before)
        assert not torch.allclose(front_end(x), nn.functional.relu(x.flatten(1) @ dense.T + front_end.body[1].bias))
    assert int((first_weight(front_end) != 0).sum()) <= 1568
    assert front_end.growth().gammas[0] <= 0.7 * (1 + 1e-6)


def test_the_mode_dense_prunes_nothing_and_keeps_to_the_ball(build):
    front_end = build(gamma=0.7, keep=0.2)
    with front_end.in_mode("dense"):
        weight = front_end.constrained()["1.weight"]
    torch.testing.assert_close(weight.abs().sum(1), torch.full((10,), 0.7))
    assert int((weight != 0).sum()) > 1568


def test_gammas_layer_by_layer(build):
    front_end = build((1, 12, 12), network="cnn4", keep=1, gamma=(0.5, 1.0, 2.0, 3.0))
    front_end.finish(nn.Identity())
    assert [round(value, 5) for value in front_end.growth().gammas] == [0.5, 1.0, 2.0, 3.0]


def test_the_penalty_is_the_sum_of_magnitudes(build):
    front_end = build()
    head = linear((10,), 2)
    with torch.no_grad():
        first_weight(front_end).fill_(-0.5)
        head[1].weight.fill_(0.25)
    value = front_end.penalties()["l1"](torch.zeros(1, 1, 28, 28), head)
    assert value.item() == 7840 * 0.5 + 20 * 0.25
    value.backward()
    assert torch.equal(first_weight(front_end).grad, -torch.ones(10, 784))


def test_training_reduces_gamma(build, digits):
    """Stronger penalty, smaller γ; and a constraint holds whatever the penalty is."""
    gammas = {}
    for key, config in {"weak": {"strength": 1e-4}, "strong": {"strength": 0.1}, "ball": {"gamma": 1.5}}.items():
        front_end = build(**config)
        torch.manual_seed(1)
        stages = [stage.model_copy(update={"epochs": 4}) for stage in recipe(front_end.config, "digits-3-7")]
        fit_classifier(front_end, linear((10,), 2), digits.train, stages, seed=0)
        gammas[key] = front_end.growth().gammas[0]
    assert gammas["strong"] < gammas["weak"] / 2
    assert gammas["ball"] <= 1.5 * (1 + 1e-6)


def test_a_trained_one_is_loaded(build, trained, digits):
    fresh = build(strength=0.03)
    fresh.load_state_dict(trained.front_end.state_dict())
    with torch.no_grad():
        assert torch.equal(fresh(digits.test.images), trained.front_end(digits.test.images))
    with pytest.raises(RuntimeError, match="size mismatch"):
        build((1, 12, 12)).load_state_dict(trained.front_end.state_dict())


def test_an_untrained_one_is_no_defense(build):
    with pytest.raises(NotTrainedError, match="SparseNetFrontEnd has not been trained"):
        Protected(build(), linear((10,), 2))(torch.rand(1, 1, 28, 28))


def test_images_of_another_size(trained):
    for shape in [(2, 1, 32, 32), (2, 3, 28, 28)]:
        with pytest.raises(ImageError, match=r"\(N,1,28,28\) are expected"):
            trained(torch.rand(shape))


def test_diverging_training_names_its_stage(build, digits):
    stages = (Stage(name="regularized", mode="dense", epochs=2, lr=1e30, penalty="l1", penalty_weight=1e30),)
    with pytest.raises(ConfigError, match=r"training diverged.*stage 1 'regularized'"):
        fit_classifier(build(), linear((10,), 2), digits.train, stages, seed=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keep": 0}, "keep = 0: .*greater than 0"),
        ({"keep": 1.1}, "less than or equal to 1"),
        ({"strength": -1}, "greater than or equal to 0"),
        ({"gamma": 0}, "greater than 0"),
        ({"gamma": (1.0, 2.0)}, r"gamma names 2 radii, network 'fc2' has 1 layer\(s\) before its last"),
        ({"certificate": "product-of-norms"}, "'both', 'product' or 'intervals'"),
        ({"lambda": 0.1}, "unknown key 'lambda'"),
        ({"network": "resnet32"}, "'resnet32' holds a Unit"),
    ],
    ids=str,
)
def test_bad_values_are_named(defense, values, message):
    with pytest.raises(ConfigError, match=message):
        defense.build(values, image_shape=(1, 28, 28))


def test_unknown_network_and_missing_shape(defense):
    with pytest.raises(UnknownNameError, match="'fc2'"):
        defense.build({"network": "fc3"}, image_shape=(1, 28, 28))
    with pytest.raises(ConfigError, match="give image_shape"):
        defense.build({})
    with pytest.raises(ConfigError, match="'linear' reads inputs of at least one value"):
        linear((0,), 2)


def test_the_recipe_prunes_only_where_something_is_pruned():
    config = SparseNetConfig()
    assert (config.network, config.keep) == ("fc2", 0.03)
    dense, pruned = recipe(config, "mnist-3-7")
    assert (dense.mode, pruned.mode) == ("dense", "")
    assert dense.penalty_weight == pruned.penalty_weight == config.strength
    assert len(recipe(SparseNetConfig(keep=1), "mnist")) == 1


def test_pictures(trained, build, digits):
    figures = trained.front_end.figures(digits.test.images[:3])
    weights, pixels = figures.values()
    assert weights.shape == (8, 1, 28, 28)
    assert pixels.shape == (3, 1, 28, 28)
    assert next(iter(figures)).startswith("weights of the first layer: 3.0% are not 0")
    read = (first_weight(trained.front_end) != 0).any(0).view(28, 28)
    assert torch.equal(pixels[:, 0, read], digits.test.images[:3, 0, read])
    assert (pixels[:, 0, ~read] == 0.5).all()
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in figures.values())
    (kernels,) = build((1, 12, 12), network="cnn4").figures(torch.rand(2, 1, 12, 12)).values()
    assert kernels.shape == (8, 1, 5, 5)
