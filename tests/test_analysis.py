"""Layer by layer, against numbers worked out by hand: ratios, sparsity, batch norms, singular values."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from frontdef.analysis import (
    batch_norm_statistics,
    decibels,
    layer_ratios,
    linear_list,
    normalized_sparsity,
    perturbation_ratio,
    singular_values,
    sparsity,
)
from frontdef.analysis.filters import filters_first
from frontdef.analysis.layers import filtered
from frontdef.config import Config
from frontdef.errors import ConfigError, ImageError
from frontdef.frontend import FrontEnd, Identity
from frontdef.protected import Protected


def linear(weight, bias=None):
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer


@pytest.fixture
def by_hand():
    """x = (3, 4)/10, e = (0, 1)/10: first layer 2x, then ReLU, then (a + b, a − b) + (0, 1)."""
    model = nn.Sequential(
        nn.Flatten(), linear([[2.0, 0.0], [0.0, 2.0]]), nn.ReLU(), linear([[1.0, 1.0], [1.0, -1.0]], [0.0, 1.0])
    )
    x = torch.tensor([0.3, 0.4]).view(1, 1, 1, 2)
    return model.eval(), x, x + torch.tensor([0.0, 0.1]).view(1, 1, 1, 2)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        # input: e = (0, .1) against x = (.3, .4); layer 1: (0, .2) against (.6, .8);
        # layer 2: (1.4, .8) becomes (1.6, .6), so (.2, -.2) against (1.4, .8).
        (2.0, (0.1 / 0.5, 0.2 / 1.0, math.sqrt(0.08) / math.sqrt(2.6))),
        (1.0, (0.1 / 0.7, 0.2 / 1.4, 0.4 / 2.2)),
        (math.inf, (0.1 / 0.4, 0.2 / 0.8, 0.2 / 1.4)),
        (3.0, (0.1 / 0.091 ** (1 / 3), 0.2 / 0.728 ** (1 / 3), 0.016 ** (1 / 3) / 3.256 ** (1 / 3))),
    ],
)
def test_the_ratio_of_a_network_worked_out_by_hand(by_hand, p, expected):
    model, x, attacked = by_hand
    ratios = layer_ratios(model, x, attacked, p=[p])[p]
    assert list(ratios) == [0, 1, 2]
    assert torch.cat(list(ratios.values())).tolist() == pytest.approx(expected, rel=1e-5)


def test_decibels_are_of_the_mean_and_not_the_mean_of_decibels():
    assert decibels(torch.tensor([0.1, 0.3])) == pytest.approx(20 * math.log10(0.2))
    assert decibels(torch.tensor([1.0, math.inf, math.nan])) == 0
    assert math.isnan(decibels(torch.tensor([math.inf])))


@pytest.mark.parametrize("scale", [1e-6, 7.0, 1e6])
def test_the_ratio_does_not_change_with_scale(scale):
    torch.manual_seed(0)
    signal, moved = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    for p in (0.5, 1.0, 2.0, math.inf):
        torch.testing.assert_close(
            perturbation_ratio(scale * signal, scale * moved, p), perturbation_ratio(signal, moved, p)
        )


def test_ratios_where_the_signal_is_zero_are_not_numbers():
    zero = torch.zeros(2, 3)
    ratios = perturbation_ratio(zero, torch.tensor([[1.0, 0, 0], [0, 0, 0]]))
    assert ratios[0] == math.inf
    assert ratios[1].isnan()


def test_outputs_are_taken_before_batch_norm_and_in_batches_of_any_size():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).eval()
    model[1].running_var.fill_(9.0)
    x = torch.rand(5, 1, 4, 4)
    attacked = (x + 0.1 * torch.randn_like(x)).clamp(0, 1)
    whole = layer_ratios(model, x, attacked)[2.0]
    assert list(whole) == [0, 1, 3]
    torch.testing.assert_close(whole[1], perturbation_ratio(model[0](x), model[0](attacked)))
    parts = layer_ratios(model, x, attacked, batch_size=2)[2.0]
    for number, values in whole.items():
        torch.testing.assert_close(parts[number], values, rtol=1e-4, atol=0)
    assert not model[0]._forward_hooks


class Noise(FrontEnd[Config]):
    randomized = True

    def forward(self, x):
        return x + 0.1 * torch.randn(x.shape, generator=self.generator(x.device))


def test_a_randomized_front_end_draws_the_same_for_both_passes():
    model = Protected(Noise(Config()), nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), image_shape=(1, 2, 2))
    x = torch.rand(3, 1, 2, 2)
    assert layer_ratios(model, x, x)[2.0][1].tolist() == [0, 0, 0]


def test_a_layer_that_is_called_twice_is_one_signal_and_one_that_never_is_has_none():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.unused = linear([[1.0]]), linear([[1.0]])

        def forward(self, x):
            return self.layer(x.flatten(1)) + self.layer(3 * x.flatten(1))

    x = torch.full((1, 1, 1, 1), 0.5)
    ratios = layer_ratios(Twice().eval(), x, x + 0.1)[2.0]
    # (.5, 1.5) moves by (.1, .3)
    assert {number: float(value) for number, value in ratios.items()} == pytest.approx({0: 0.2, 1: 0.2})


def test_what_can_not_be_measured_is_explained(by_hand):
    model, x, attacked = by_hand
    with pytest.raises(ConfigError, match="p of the norm is a positive number"):
        layer_ratios(model, x, attacked, p=[0.0])
    with pytest.raises(ImageError, match="do not pair"):
        layer_ratios(model, x, attacked.repeat(2, 1, 1, 1))
    with pytest.raises(ConfigError, match="no layer with weights"):
        layer_ratios(nn.Flatten(), x, attacked)
    with pytest.raises(ConfigError, match="neither a convolution nor a linear layer: it has BatchNorm2d"):
        layer_ratios(nn.BatchNorm2d(1), x, attacked)


# The linear list


def test_the_list_follows_named_modules_with_shortcuts_after_their_branch():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
            self.shortcut = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, affine=False))
            self.slope = nn.PReLU()

    model = nn.Sequential(Block(), nn.Linear(2, 2))
    layers = [(layer.number, layer.name, layer.label, layer.kind) for layer in linear_list(model)]
    assert layers == [
        (1, "0.conv1", "conv1", "convolution"),
        (2, "0.bn1", "bn1", "batch norm"),
        (3, "0.shortcut.0", "conv2", "convolution"),
        (4, "0.shortcut.1", "bn2", "batch norm"),
        (5, "0.slope", "other1", "other"),
        (6, "1", "linear1", "linear"),
    ]
    assert [layer.number for layer in filtered(model)] == [1, 3, 6]


class Keep(FrontEnd[Config]):
    """Keeps the first of two values, through a linear layer of its own."""

    def __init__(self, config):
        super().__init__(config)
        self.inner = linear([[1.0, 0.0], [0.0, 0.0]])

    def forward(self, x):
        return self.inner(x.flatten(1)).view_as(x)


def test_a_front_end_has_a_place_after_what_is_inside_it():
    model = Protected(Keep(Config()), nn.Sequential(nn.Flatten(), linear([[1.0, 1.0]])))
    layers = [(layer.name, layer.label) for layer in linear_list(model)]
    expected = [("front_end.inner", "front-linear1"), ("front_end", "front-end1"), ("classifier.1", "linear1")]
    assert layers == expected
    x = torch.tensor([0.3, 0.4]).view(1, 1, 1, 2)
    ratios = layer_ratios(model, x, x + 0.1)[2.0]
    # (.3, .4) moves by (.1, .1); behind the front end .3 moves by .1.
    expected = {0: math.sqrt(0.02) / 0.5, 1: 1 / 3, 2: 1 / 3, 3: 1 / 3}
    assert {number: float(value) for number, value in ratios.items()} == pytest.approx(expected)
    assert [layer.label for layer in filtered(model)] == ["front-linear1", "linear1"]
    assert [layer.label for layer in linear_list(Protected(Identity(Config()), model.classifier))] == ["linear1"]


def test_a_parametrized_layer_is_one_layer_with_all_its_weights():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    (listed,) = linear_list(nn.Sequential(layer))
    assert listed.kind == "linear"
    assert sum(parameter.numel() for parameter in listed.parameters()) == 2 + 2 + 6


# Weights


def test_sparsity_by_hand():
    weight = torch.tensor([[0.0, 0, -5, 0], [2, 2, 2, 2], [3, 4, 0, 0], [0, 0, 0, 0]])
    sparsities = sparsity(weight.view(4, 1, 2, 2))
    assert sparsities[:3].tolist() == pytest.approx([1, 4, 49 / 25])
    assert normalized_sparsity(weight)[:3].tolist() == pytest.approx([0, 1, 24 / 75])
    assert sparsities[3].isnan()
    torch.testing.assert_close(sparsity(1e-4 * weight[:3]), sparsity(weight[:3]))
    assert normalized_sparsity(torch.ones(2, 1)).isnan().all()


@pytest.mark.parametrize("groups", [1, 2])
def test_filters_of_a_transposed_convolution_are_its_outputs(groups):
    layer = nn.ConvTranspose2d(4, 6, 3, groups=groups)
    filters = filters_first(layer)
    assert filters.shape == (6, 4 // groups, 3, 3)
    for out in range(6):
        group, within = divmod(out, 6 // groups)
        inputs = layer.weight[group * 4 // groups : (group + 1) * 4 // groups, within]
        assert torch.equal(filters[out], inputs)


def test_batch_norm_statistics_are_those_of_the_layer():
    layer = nn.BatchNorm2d(2)
    layer.running_mean.copy_(torch.tensor([1.0, 2]))
    layer.running_var.copy_(torch.tensor([3.0, 4]))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([5.0, 6]))
        layer.bias.copy_(torch.tensor([7.0, 8]))
    statistics = {name: value.tolist() for name, value in batch_norm_statistics(layer).items()}
    assert statistics == {"running_mean": [1, 2], "running_variance": [3, 4], "gamma": [5, 6], "beta": [7, 8]}
    bare = batch_norm_statistics(nn.BatchNorm1d(3, affine=False, track_running_stats=False))
    assert all(value.shape == (3,) and value.isnan().all() for value in bare.values())


# Singular values


def brute_force(layer, in_shape):
    """Column by column, then LAPACK."""
    layer, size = layer.double(), math.prod(in_shape)
    eye = torch.eye(size, dtype=torch.float64)
    with torch.no_grad():
        zero = layer(torch.zeros(1, *in_shape, dtype=torch.float64))
        columns = [(layer(eye[i].view(1, *in_shape)) - zero).flatten() for i in range(size)]
    return torch.linalg.svdvals(torch.stack(columns, dim=1))


CASES = [
    (padding_mode, stride, dilation, groups, kernel)
    for padding_mode in ("zeros", "circular", "reflect")
    for stride in (1, 2)
    for dilation, groups, kernel in ((1, 1, 3), (2, 2, 3), (1, 1, 5), (1, 2, 2))
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_singular_values_against_the_matrix_written_out(case):
    padding_mode, stride, dilation, groups, kernel = case
    torch.manual_seed(0)
    padding = dilation * (kernel - 1) // 2
    layer = nn.Conv2d(4, 6, kernel, stride, padding, dilation, groups, padding_mode=padding_mode)
    expected = brute_force(layer, (4, 6, 8))
    layer.float()
    spectrum = singular_values(layer, (4, 6, 8))
    # An even kernel in a circle does not keep the size, so the Fourier transform would be wrong.
    assert spectrum.method == ("fourier" if padding_mode == "circular" and kernel % 2 else "dense")
    assert spectrum.count == len(expected)
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-9, atol=1e-9)
    stable_rank = float(expected.square().sum() / expected[0] ** 2)
    assert spectrum.stable_rank == pytest.approx(stable_rank, rel=1e-9)
    largest = singular_values(layer, (4, 6, 8), top=7, dense_limit=1)
    if largest.method != "fourier":
        assert largest.method == "lanczos"
        torch.testing.assert_close(largest.values, expected[:7], rtol=1e-9, atol=1e-9)
        known = padding_mode == "zeros"  # elsewhere two taps may read one pixel, and their squares do not add
        assert largest.stable_rank == pytest.approx(stable_rank if known else math.nan, rel=1e-9, nan_ok=True)


def test_a_kernel_larger_than_the_circle_wraps_around():
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 3, 5, padding=2, padding_mode="circular")
    expected = brute_force(layer, (2, 3, 4))
    spectrum = singular_values(layer.float(), (2, 3, 4))
    assert spectrum.method == "fourier"
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-9, atol=1e-9)


def test_same_padding_with_an_even_kernel_is_a_circle_too():
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 2, 4, padding="same", padding_mode="circular")
    expected = brute_force(layer, (2, 6, 6))
    spectrum = singular_values(layer.float(), (2, 6, 6))
    assert spectrum.method == "fourier"
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-9, atol=1e-9)


def test_a_stride_that_does_not_divide_the_image_is_not_folded():
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 3, 3, 2, padding=1, padding_mode="circular")
    expected = brute_force(layer, (2, 5, 7))
    spectrum = singular_values(layer.float(), (2, 5, 7))
    assert spectrum.method == "dense"
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-9, atol=1e-9)


def test_singular_values_of_what_only_resembles_a_convolution():
    class Normalized(nn.Conv2d):
        """Implicit weight normalization, as of a Hebbian layer."""

        def forward(self, x):
            return self._conv_forward(x, self.weight / self.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1), self.bias)

    torch.manual_seed(0)
    layer = Normalized(2, 3, 3, padding=1, padding_mode="circular")
    expected = brute_force(layer, (2, 4, 4))
    torch.testing.assert_close(singular_values(layer.float(), (2, 4, 4)).values, expected, rtol=1e-6, atol=1e-6)
    transposed = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1)
    expected = brute_force(transposed, (3, 4, 4))
    torch.testing.assert_close(singular_values(transposed.float(), (3, 4, 4)).values, expected)


def test_an_identity_has_ones_and_a_projection_ones_and_zeros():
    assert singular_values(linear([[1.0, 0], [0, 1]]), (2,)).values.tolist() == [1, 1]
    assert singular_values(linear([[0.0, 3], [0, 0]]), (2,)).values.tolist() == [3, 0]


def test_what_is_not_linear_has_no_singular_values():
    with pytest.raises(ConfigError, match="PReLU is not a linear operator"):
        singular_values(nn.PReLU(), (4,))
    with pytest.raises(ConfigError, match="at least 1, got top=0"):
        singular_values(nn.Linear(2, 2), (2,), top=0)
