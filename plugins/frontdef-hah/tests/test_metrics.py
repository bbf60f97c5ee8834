"""SNR and Hoyer on numbers worked out by hand, and on networks that know nothing of the plugin."""

from __future__ import annotations

import math

import pytest
import torch
from frontdef_hah import frontdef_metrics
from frontdef_hah.metrics import HoyerParameters, SnrParameters, hoyer, in_decibels, power_ratio, snr, squared_hoyer
from frontdef_hah.recording import conv_inputs
from torch import nn

from frontdef import Config, FrontEnd, Protected
from frontdef.errors import ConfigError
from frontdef.frontend import Identity


class Doubled(nn.Module):
    """Convolves twice with the same layer, so that the second input is twice the first."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        self.conv.weight.data = 2 * torch.eye(2)[:, :, None, None]

    def forward(self, x):
        return self.conv(self.conv(x)).flatten(1)


@pytest.fixture
def protected():
    return Protected(Identity(Config()), Doubled(), image_shape=(2, 3, 3))


def test_power_ratio_by_hand():
    """‖(3,4)‖² = 25 over ‖(0,1)‖² = 1; ‖(1,1)‖² = 2 over ‖(2,0)‖² = 4."""
    ratios = power_ratio(torch.tensor([[3.0, 4.0], [1.0, 1.0]]), torch.tensor([[3.0, 5.0], [3.0, 1.0]]))
    torch.testing.assert_close(ratios, torch.tensor([25.0, 0.5]).double())


def test_the_mean_of_the_values_is_equation_5_6():
    ratios = torch.tensor([25.0, 0.5, 100.0, 7.0]).double()
    values = in_decibels(ratios)
    assert values.mean().item() == pytest.approx(10 * math.log10(132.5 / 4), rel=1e-6)
    assert values.mean().item() > (10 * ratios.log10()).mean() + 3
    same = in_decibels(torch.full((5,), 100.0).double())
    torch.testing.assert_close(same, torch.full((5,), 20.0))


def test_their_spread_is_the_uncertainty_of_equation_5_6():
    """Delta method against the spread of eq. 5.6 itself over many draws of 400 samples."""
    draws = torch.distributions.Gamma(4.0, 0.1)
    torch.manual_seed(0)
    ratios = draws.sample((2000, 400)).double()
    observed = (10 * ratios.mean(1).log10()).std().item()
    predicted = in_decibels(ratios[0]).std().item() / 20
    assert predicted == pytest.approx(observed, rel=0.1)


def test_no_signal_is_not_a_number():
    assert in_decibels(torch.zeros(3).double()).isnan().all()


def test_snr_is_taken_at_the_inputs_of_convolutions(protected):
    x = torch.full((4, 2, 3, 3), 0.5)
    values = snr(protected, x, torch.zeros(4).long(), SnrParameters(sigma=0.01), seed=0)
    assert list(values) == ["01 classifier.conv", "02 classifier.conv#2"]
    noise = 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    expected = 10 * math.log10((18 * 0.25 / noise.square().sum((1, 2, 3)).double()).mean())
    for name in values:  # a linear layer that scales by 2 changes nothing
        assert values[name].mean().item() == pytest.approx(expected, rel=1e-4)
        assert values[name].shape == (4,)
    assert protected.passes.forward == 0


@pytest.mark.parametrize(("clamp", "noise_power"), [(False, 1.0), (True, 0.5)])
def test_noise_is_clipped_unless_asked(clamp, noise_power):
    """Of the noise on black and white, clipping cuts off the half that leaves [0,1]."""
    x = torch.zeros(4, 2, 100, 100)
    x[..., :50] = 1
    protected = Protected(Identity(Config()), Doubled())
    values = snr(protected, x, torch.zeros(4).long(), SnrParameters(sigma=0.1, clamp=clamp), seed=0)
    expected = 10 * math.log10(0.5 / (noise_power * 0.01))
    assert values["01 classifier.conv"].mean().item() == pytest.approx(expected, abs=0.1)


def test_snr_under_an_attack(protected):
    x = torch.full((4, 2, 3, 3), 0.5)
    parameters = SnrParameters(perturbation="pgd", eps=0.1, steps=5)
    values = snr(protected, x, torch.arange(4), parameters, seed=0)
    # No smaller than at ε in every value, where it is 18·0.25/(18·0.01).
    assert values["01 classifier.conv"].mean().item() >= 10 * math.log10(25) - 1e-4
    assert values["01 classifier.conv"].mean().item() < 10 * math.log10(25) + 3


@pytest.mark.parametrize(
    ("channels", "expected"),
    [([7.0, 0, 0, 0, 0], 0.0), ([2.0, 2, 2, 2, 2], 1.0), ([1.0, 1, 0, 0, 0], 0.25), ([3.0, -1, 0, 0, 0], 0.15)],
)
def test_squared_hoyer_by_hand(channels, expected):
    """(ℓ1²/ℓ2² − 1)/(C − 1) of five channels: (1−1)/4, (5−1)/4, (2−1)/4, (16/10−1)/4."""
    assert squared_hoyer(torch.tensor(channels).view(1, 5, 1, 1)).item() == pytest.approx(expected)


def test_hoyer_averages_over_active_locations():
    activations = torch.tensor([[1.0, 1, 0], [1, 0, 0]]).view(1, 2, 1, 3)
    assert squared_hoyer(activations).item() == pytest.approx((1 + 0) / 2)
    assert squared_hoyer(torch.zeros(1, 2, 1, 3)).isnan().all()
    assert squared_hoyer(torch.ones(1, 1, 2, 2)).isnan().all()


def test_hoyer_of_a_network(protected):
    x = torch.tensor([[0.5, 0.5], [0.9, 0.0]])[:, :, None, None].expand(2, 2, 3, 3).contiguous()
    values = hoyer(protected, x, torch.zeros(2).long(), HoyerParameters(), seed=0)
    assert {name: value.tolist() for name, value in values.items()} == {
        "01 classifier.conv": [1.0, 0.0],
        "02 classifier.conv#2": [1.0, 0.0],
    }


def test_front_end_and_classifier_are_both_looked_into(make, images):
    model = Protected(Open(make()), nn.Sequential(nn.Conv2d(64, 2, 3), nn.Flatten()), image_shape=(1, 12, 12))
    inputs = conv_inputs(model, images(2, 1, 12, 12), seed=0)
    assert [name.split(".")[-1] for name in inputs] == ["conv", "conv", "conv", "0"]
    assert [value.shape[1] for value in inputs.values()] == [1, 16, 32, 64]


class Open(FrontEnd):
    """A front end that needs no training, around one that does."""

    def __init__(self, inner):
        super().__init__(Config(), image_shape=inner.image_shape)
        self.inner = inner

    def forward(self, x):
        return self.inner.forward(x)


class Noisy(FrontEnd):
    randomized = True

    def forward(self, x):
        return x + 0.1 * torch.rand(x.shape, generator=self.generator(x.device))


def test_a_randomized_front_end_draws_the_same_for_both_passes():
    model = Protected(Noisy(Config()), Doubled(), image_shape=(2, 3, 3))
    x = torch.full((4, 2, 3, 3), 0.5)
    values = snr(model, x, torch.zeros(4).long(), SnrParameters(sigma=1e-4), seed=3)
    assert values["01 classifier.conv"].mean() > 60


def test_a_network_without_convolutions_is_named():
    model = Protected(Identity(Config()), nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), image_shape=(1, 3, 3))
    with pytest.raises(ConfigError, match=r"no torch.nn.Conv2d"):
        hoyer(model, torch.rand(1, 1, 3, 3), torch.zeros(1).long(), HoyerParameters(), seed=0)


def test_what_lies_between_0_and_1_says_so():
    """The interval of a share stays in [0,1]; that of another quantity does not."""
    units = {metric.name: metric.unit for metric in frontdef_metrics()}
    assert units["hoyer"] == units["same-channels"] == "share"
