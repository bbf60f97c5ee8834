"""`reduce` on networks that know nothing of frontdef."""

from __future__ import annotations

import copy

import pytest
import torch
from frontdef_lowrank import reduce
from frontdef_lowrank.svd import attenuate, spectrum
from torch import nn

from frontdef.errors import ConfigError, UnknownNameError


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 12 * 12, 20),
        nn.ReLU(),
        nn.Linear(20, 10),
    ).eval()


def test_the_original_stays_as_it_is(network):
    before = copy.deepcopy(network.state_dict())
    reduced = reduce(network, share=0.5, how="zero")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert type(reduced) is nn.Sequential
    assert not {p.data_ptr() for p in network.parameters()} & {p.data_ptr() for p in reduced.parameters()}


def test_every_weight_matrix_and_nothing_else(network):
    reduced = reduce(network, share=0.25, factor=0.3)
    for name, value in network.state_dict().items():
        expected = attenuate(value, 0.25, 0.3) if name in {"0.weight", "4.weight", "6.weight"} else value
        assert torch.equal(reduced.state_dict()[name], expected), name


@pytest.mark.parametrize(("layers", "changed"), [("all", {"0", "4", "6"}), ("linear", {"4", "6"}), ("conv", {"0"})])
def test_layers(network, layers, changed):
    reduced = reduce(network, share=0.5, layers=layers)
    names = {"0.weight", "4.weight", "6.weight"}
    reduced_names = {n for n in names if not torch.equal(reduced.get_parameter(n), network.get_parameter(n))}
    assert reduced_names == {f"{name}.weight" for name in changed}


def test_zero_and_scale(network):
    values = spectrum(network[4].weight)
    zeroed, scaled = (spectrum(reduce(network, share=0.5, how=how)[4].weight) for how in ("zero", "scale"))
    torch.testing.assert_close(zeroed[:10], values[:10], rtol=1e-5, atol=0)
    assert zeroed[10:].max() < 1e-5
    torch.testing.assert_close(scaled[10:], 0.1 * values[10:], rtol=1e-4, atol=1e-6)


def test_a_weight_that_two_layers_share_is_reduced_once():
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    network = nn.Sequential(first, second)
    reduced = reduce(network, share=0.5)
    assert reduced[0].weight is reduced[1].weight
    torch.testing.assert_close(reduced[0].weight.data, attenuate(first.weight, 0.5, 0.1))


def test_gradients_flow_through_the_copy(network):
    x = torch.rand(2, 1, 28, 28).requires_grad_()
    reduce(network)(x).sum().backward()
    assert (x.grad != 0).any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 40}, r"share is in \[0,1\], got 40; 40 % is 0.4"),
        ({"share": -0.1}, r"share is in \[0,1\], got -0.1"),
        ({"factor": 10}, r"factor is in \[0,1\], got 10"),
        ({"share": float("nan")}, "share"),
    ],
    ids=str,
)
def test_numbers_out_of_range(network, values, message):
    with pytest.raises(ConfigError, match=message):
        reduce(network, **values)


def test_names_that_do_not_exist(network):
    with pytest.raises(UnknownNameError, match="'scale'"):
        reduce(network, how="scaled")
    with pytest.raises(UnknownNameError, match="'linear'"):
        reduce(network, layers="lineer")


def test_nothing_to_reduce():
    with pytest.raises(ConfigError, match="ReLU has no layer to reduce"):
        reduce(nn.ReLU())
    with pytest.raises(ConfigError, match=r"layers='conv'"):
        reduce(nn.Linear(2, 2), layers="conv")


def test_a_parametrized_weight_is_refused_before_anything_is_changed(network):
    nn.utils.parametrizations.spectral_norm(network[6])
    with pytest.raises(ConfigError, match=r"layer '6' is parametrized.*remove_parametrizations"):
        reduce(network)
