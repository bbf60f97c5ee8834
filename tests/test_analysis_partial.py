"""Partial training freezes, draws anew and trains exactly what its code says, at every cut."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from frontdef.analysis.layers import linear_list
from frontdef.analysis.partial import CODES, divide, find_cut, parse_code, retrain, start_over
from frontdef.config import Config
from frontdef.datasets import Split
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.frontend import Identity
from frontdef.stage import Stage

NATURAL = Stage(epochs=2, lr=0.05, batch_size=8, optimizer="sgd", weight_decay=0.1)
ADVERSARIAL = Stage(epochs=1, lr=0.05, batch_size=8, adversarial="linf", eps=0.1, attack_steps=1)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(),
        nn.Linear(16, 3),
    )  # fmt: skip


@pytest.fixture
def split():
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(24, 1, 6, 6, generator=draws)
    return Split(images, torch.arange(24) % 3, torch.arange(24))


def weights(model):
    return [[parameter.detach().clone() for parameter in layer.parameters()] for layer in linear_list(model)]


def changed(before, after):
    """Numbers of the layers of which any weight changed."""
    pairs = enumerate(zip(before, after, strict=True), 1)
    return {number for number, (a, b) in pairs if any(not torch.equal(x, y) for x, y in zip(a, b, strict=True))}


BLOCK = {  # code → which of five layers a cut after the second trains
    "A1N2": {3, 4, 5}, "N1A2": {3, 4, 5}, "A2N1": {1, 2}, "N2A1": {1, 2},
    "A1A2": {3, 4, 5}, "N1N2": {3, 4, 5}, "A2A1": {1, 2}, "N2N1": {1, 2},
}  # fmt: skip
SINGLE = {code: {1, 3, 4, 5} if code[1] == "1" else {2} for code in BLOCK}


def test_there_are_eight_codes():
    assert set(CODES) == set(BLOCK)


@pytest.mark.parametrize("code", CODES)
def test_first_and_second_training(code):
    order = parse_code(code)
    trainings = {code[1]: code[0], code[3]: code[2]}
    assert (order.first, order.second) == (trainings["1"], trainings["2"])


@pytest.mark.parametrize(("mode", "expected"), [("block", BLOCK), ("single", SINGLE)])
@pytest.mark.parametrize("code", CODES)
def test_exactly_the_layers_of_the_code_are_trained(code, mode, expected, split):
    model = network()
    before = weights(model)
    stages = [ADVERSARIAL if parse_code(code).second == "A" else NATURAL]
    kept, retrained = retrain(Identity(Config()), model, split, stages, parse_code(code), 2, mode=mode, seed=1)
    assert {layer.number for layer in retrained} == expected[code]
    assert {layer.number for layer in kept} == {1, 2, 3, 4, 5} - expected[code]
    # Bit for bit, although the recipe decays weights: what is frozen gets no decay.
    assert changed(before, weights(model)) == expected[code]


@pytest.mark.parametrize("code", ["A1N2", "A2N1"])
def test_retrained_layers_start_from_new_draws_and_fresh_statistics(code):
    model = network()
    for layer in (model[1], model[4]):
        layer.running_mean.fill_(5.0)
        layer.num_batches_tracked.fill_(7)
    before = weights(model)
    kept, retrained = divide(linear_list(model), parse_code(code), 2)
    start_over(kept, retrained, seed=3)
    fresh, frozen = (model[4], model[1]) if code == "A1N2" else (model[1], model[4])
    assert fresh.running_mean.tolist() == [0] * fresh.num_features
    assert fresh.num_batches_tracked == 0
    assert frozen.running_mean.tolist() == [5] * frozen.num_features
    convolutions = {layer.number for layer in retrained if layer.kind != "batch norm"}
    assert changed(before, weights(model)) == convolutions  # γ and β start as they were: 1 and 0
    assert all(not parameter.requires_grad for layer in kept for parameter in layer.parameters())
    assert all(parameter.requires_grad for layer in retrained for parameter in layer.parameters())


def test_frozen_batch_norms_keep_tracking_and_are_not_reset(split):
    model = network()
    model.eval()
    model[1].running_mean.fill_(100.0)
    retrain(Identity(Config()), model, split, [Stage(epochs=1, batch_size=24)], parse_code("A1N2"), 2, seed=0)
    # One batch at momentum 0.1: 0.9 · 100 + 0.1 · (mean of the convolution's outputs, about 0).
    assert model[1].running_mean.tolist() == pytest.approx([90] * 3, abs=0.2)
    assert model[1].num_batches_tracked == 1


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(split):
    models = [network() for _ in range(3)]
    state = torch.get_rng_state()
    for model, seed in zip(models, (1, 1, 2), strict=True):
        retrain(Identity(Config()), model, split, [NATURAL], parse_code("N1N2"), 1, seed=seed)
    assert torch.equal(torch.get_rng_state(), state)
    same_seed, next_seed = (changed(weights(models[0]), weights(model)) for model in models[1:])
    assert same_seed == set()
    assert next_seed == {2, 3, 4, 5}


@pytest.mark.parametrize(("code", "cut"), [("A1N2", 5), ("A2N1", 0)])
def test_where_nothing_is_left_to_train_nothing_changes(code, cut, split):
    model = network()
    before = copy.deepcopy(model.state_dict())
    assert retrain(Identity(Config()), model, split, [NATURAL], parse_code(code), cut, seed=0)[1] == ()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_cuts_by_name():
    layers = linear_list(network())
    assert [find_cut(layers, cut) for cut in (0, 5, "conv2", "3", "linear1")] == [0, 5, 2, 2, 4]
    assert find_cut(layers, "conv2", "single") == 3


@pytest.mark.parametrize(
    ("cut", "mode", "error", "says"),
    [
        (6, "block", ConfigError, r"cut = 6 is out of range: layers before the cut, 0…5 in this model \(conv1, bn1, "),
        (0, "single", ConfigError, "the layer, 1…5"),
        ("conv3", "block", UnknownNameError, "unknown layer 'conv3'. Did you mean 'conv"),
        (1, "blocks", UnknownNameError, "Did you mean 'block'"),
    ],
)
def test_bad_cuts_are_explained(cut, mode, error, says):
    with pytest.raises(error, match=says):
        find_cut(linear_list(network()), cut, mode)


@pytest.mark.parametrize("code", ["A1B2", "A1N1", "a1n2", ""])
def test_bad_codes_are_explained(code):
    with pytest.raises(UnknownNameError, match=r"unknown code.*A is adversarial, N natural, 1 trained first"):
        parse_code(code)


def test_weights_that_can_not_be_drawn_anew_are_named():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

    for module in (Scale(), nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))):
        layers = linear_list(nn.Sequential(module, nn.Linear(2, 2)))
        with pytest.raises(ConfigError, match=r"layer '0' \(.*no way to draw them anew"):
            start_over((), layers, seed=0)
