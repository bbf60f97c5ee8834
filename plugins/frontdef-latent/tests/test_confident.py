"""The distance to a confident example, against models where it can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from frontdef_latent import frontdef_metrics
from frontdef_latent.confident import ConfidentConfig, choose_goals, measure, search
from torch import nn

from frontdef import FrontEnd, Protected
from frontdef.config import Config
from frontdef.errors import ConfigError, DataError, UnknownNameError
from frontdef.frontend import Identity

SURE = math.log(0.95 / 0.05)
"""Difference of two logits at which the larger one has a probability of 95 %."""


def linear(weight, bias=0.0):
    """Logits (0, w·x + b)."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(len(weight), 2))
    network[1].weight.data = torch.stack([torch.zeros(len(weight)), torch.tensor(weight)])
    network[1].bias.data = torch.tensor([0.0, bias])
    return Protected(Identity(Config()), network, image_shape=(1, 1, len(weight)))


def images(*pixels):
    return torch.tensor(pixels)[:, None, None, :]


@pytest.mark.parametrize("optimizer", ["gradient", "adam"])
def test_distance_to_a_half_space(optimizer):
    """w = (6, 8), b = −6: x = (0.2, 0.3) is at w·x + b = −2.4, and class 1 is sure at SURE, (SURE + 2.4)/10 away.

    No pixel leaves [0,1] on the way along w, so that is the least distance.
    """
    x, y = images([0.2, 0.3], [0.1, 0.2]), torch.tensor([0, 0])
    parameters = ConfidentConfig(searches=12, steps=150, optimizer=optimizer, lr=0.01)
    measures = measure(linear([6.0, 8.0], -6.0), x, y, parameters, 0)
    for row, logit in ((0, -2.4), (1, -3.8)):
        least = (SURE - logit) / 10 / x[row].norm().item()
        assert least <= measures["relative distance"][row].item() * (1 + 1e-5)
        assert measures["relative distance"][row].item() < 1.02 * least
    assert measures["reached"].tolist() == [1, 1]
    assert (measures["confidence"] >= 0.95 - 1e-6).all()


def test_distance_where_clamping_acts():
    """w = (8, 8), b = −9, x = (0.9, 0.1), at −1: needs 8·(d₀ + d₁) = SURE + 1, but d₀ ≤ 0.1, so d₁ has the rest."""
    x = images([0.9, 0.1])
    parameters = ConfidentConfig(searches=12, steps=200, lr=0.01)
    measures = measure(linear([8.0, 8.0], -9.0), x, torch.tensor([0]), parameters, 0)
    least = math.hypot(0.1, (SURE + 1) / 8 - 0.1) / x.norm().item()
    assert least * (1 - 1e-5) <= measures["relative distance"].item() < 1.02 * least


def test_the_search_ends_nearer_than_one_descent():
    model, x, goals = linear([6.0, 8.0], -6.0), images([0.2, 0.3]), torch.tensor([1])
    apart = [search(model, x, goals, ConfidentConfig(searches=n)).distances.item() for n in (1, 4, 8)]
    assert apart[2] <= apart[1] < 0.98 * apart[0] < math.inf


def test_each_row_searches_alone():
    model, x, goals = linear([6.0, 8.0], -6.0), images([0.2, 0.3], [0.0, 0.1], [0.3, 0.2]), torch.tensor([1, 1, 1])
    parameters = ConfidentConfig(searches=5)
    together = search(model, x, goals, parameters)
    for row in range(3):
        alone = search(model, x[[row]], goals[[row]], parameters)
        torch.testing.assert_close(alone.distances[0], together.distances[row], rtol=0, atol=1e-6)


def test_what_cannot_be_reached_says_so():
    """w = (1, 1): no image in [0,1]² gives class 1 more than e²/(1 + e²) = 88 %."""
    measures = measure(linear([1.0, 1.0], -0.5), images([0.1, 0.1]), torch.tensor([0]), ConfidentConfig(), 0)
    assert measures["reached"].item() == 0
    assert measures["relative distance"].isnan().all()
    assert measures["confidence"].isnan().all()


def test_misclassified_images_do_not_count():
    x, y = images([0.2, 0.3], [0.9, 0.9]), torch.tensor([0, 0])
    measures = measure(linear([6.0, 8.0], -6.0), x, y, ConfidentConfig(), 0)
    assert [values.isnan().tolist() for values in measures.values()] == [[False, True]] * 3


def test_examples_are_images_and_their_distances_true(trained, digits):
    protected, split = trained("latent-ae"), digits["test"].first(20)
    goals = (split.labels + 1) % 10
    nearest = search(protected, split.images, goals, ConfidentConfig(searches=3, steps=60))
    reached = nearest.distances.isfinite()
    assert reached.sum() >= 15
    assert nearest.images.min() >= 0
    assert nearest.images.max() <= 1
    apart = (nearest.images - split.images).flatten(1).norm(dim=1)
    torch.testing.assert_close(apart[reached], nearest.distances[reached], rtol=0, atol=1e-5)
    assert torch.equal(nearest.images[~reached], split.images[~reached])
    sure = protected(nearest.images[reached]).softmax(1).gather(1, goals[reached, None])
    assert (sure >= 0.95 - 1e-5).all()


def test_a_lower_confidence_is_nearer(trained, digits):
    protected, split = trained("latent-vae"), digits["test"].first(20)
    apart = [
        measure(
            protected,
            split.images,
            split.labels,
            ConfidentConfig(confidence=level, searches=3, steps=60, goal="next"),
            0,
        )["relative distance"].nanmean()
        for level in (0.5, 0.95)
    ]
    assert apart[0] < apart[1]


def test_randomized_front_ends_are_averaged(trained, digits):
    protected, split = trained("latent-vae-sample"), digits["test"].first(8)
    parameters = ConfidentConfig(searches=1, steps=40, draws=8)
    first, second = (measure(protected, split.images, split.labels, parameters, 0) for _ in range(2))
    assert all(torch.equal(first[name].nan_to_num(-1), second[name].nan_to_num(-1)) for name in first)
    assert first["confidence"].nanmean() > 0.8


def test_goals_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, -1.0], [1.0, 4.0, 2.0], [-2.0, 1.0, -1.0]])
    y = torch.tensor([0, 1, 2, 1])
    assert choose_goals(logits, y, "next", 0).tolist() == [1, 2, 0, 2]
    assert choose_goals(logits, y, "runner-up", 0).tolist() == [2, 0, 1, 2]


def test_random_goals_are_wrong_classes_equally_often():
    y = torch.arange(10).repeat(2000)
    goals = choose_goals(torch.zeros(len(y), 10), y, "random", 0)
    assert (goals != y).all()
    shares = torch.bincount((goals - y) % 10, minlength=10)[1:] / len(y)
    assert ((shares - 1 / 9).abs() < 0.01).all()
    assert torch.equal(goals, choose_goals(torch.zeros(len(y), 10), y, "random", 0))
    assert not torch.equal(goals, choose_goals(torch.zeros(len(y), 10), y, "random", 1))


class Inverting(FrontEnd[Config]):
    """Turns an image into its negative."""

    def forward(self, x):
        return 1 - x


@pytest.fixture
def transfer(monkeypatch, tmp_path):
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path))
    (metric,) = (metric for metric in frontdef_metrics() if metric.name == "confident-transfer")

    def run(protected, split, **values):
        settings = {"dataset": "digits", "train_samples": 300, "epochs": 10, "batch_size": 50, "steps": 60, **values}
        return metric(protected, split.images, split.labels, metric.parameters_class()(**settings), 0)

    return run


def test_the_attacked_classifier_itself_is_always_fooled(transfer):
    """And one that sees the negative of an image, trained on none of them, is not judged by the same weights."""
    from frontdef.models.cache import ModelCache
    from frontdef.registry import get_dataset

    split = get_dataset("digits").load("test").take(40, 0)
    inverted = transfer(Protected(Inverting(Config()), nn.Sequential(nn.Flatten(), nn.Linear(784, 10))), split)
    (path,) = ModelCache().root.glob("*.safetensors")
    from frontdef import weights
    from frontdef.registry import get_classifier

    tensors, about = weights.load(path)
    attacked = get_classifier("latent-lrl").build(about["in_shape"], 10)
    attacked.load_state_dict(
        {name.removeprefix("classifier."): value for name, value in tensors.items() if name.startswith("classifier.")}
    )
    protected = Protected(Identity(Config()), attacked, image_shape=(1, 28, 28))
    same = transfer(protected, split)
    made = ~same["adversarial accuracy"].isnan()
    assert made.sum() >= 30
    assert same["adversarial accuracy"][made].sum() == 0
    assert same["clean accuracy"][made].all()
    assert torch.equal(inverted["adversarial accuracy"].isnan(), ~made), "the same examples for every model"
    (still,) = ModelCache().root.glob("*.safetensors")
    assert still == path, "trained once"


def test_bad_sources_are_named(transfer, digits):
    protected, split = linear([1.0, 1.0]), digits["test"]
    with pytest.raises(UnknownNameError, match="digits"):
        transfer(protected, split, dataset="digit")
    with pytest.raises(UnknownNameError, match="latent-lrl"):
        transfer(protected, split, classifier="latent-lr")
    with pytest.raises(ConfigError, match="5000 samples were asked for"):
        transfer(protected, split, train_samples=5000)


def test_a_missing_data_set_is_named(transfer, digits, monkeypatch, tmp_path):
    monkeypatch.setenv("FRONTDEF_DATA", str(tmp_path))
    with pytest.raises(DataError, match="mnist"):
        transfer(linear([1.0, 1.0]), digits["test"], dataset="mnist", train_samples=10)
