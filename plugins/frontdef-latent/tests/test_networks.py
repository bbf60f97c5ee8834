"""The networks and their losses, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from frontdef_latent.config import AutoencoderConfig, VariationalConfig
from frontdef_latent.networks import Autoencoder, VariationalAutoencoder, apply, divergence
from torch import nn


def widths(sequential):
    return [(layer.in_features, layer.out_features) for layer in sequential if isinstance(layer, nn.Linear)]


def test_the_sizes_are_the_reports():
    autoencoder = Autoencoder(784, AutoencoderConfig())
    assert widths(autoencoder.encoder) == [(784, 32)]
    assert widths(autoencoder.decoder) == [(32, 784)]
    variational = VariationalAutoencoder(784, VariationalConfig())
    assert widths(variational.encoder) == [(784, 150), (150, 64)]
    assert widths(variational.decoder) == [(32, 150), (150, 784)]


def test_activations_are_the_reports():
    """The code of the autoencoder is what leaves its hidden layer; that of the VAE is linear."""
    x = torch.randn(50, 6)
    autoencoder = Autoencoder(6, AutoencoderConfig(latent=4, slope=0.2))
    linear = autoencoder.encoder[0](x)
    torch.testing.assert_close(autoencoder.encoder(x), torch.where(linear > 0, linear, 0.2 * linear))
    variational = VariationalAutoencoder(6, VariationalConfig(latent=4, slope=0.2, hidden=5))
    hidden = variational.encoder[0](x)
    expected = torch.where(hidden > 0, hidden, 0.2 * hidden) @ variational.encoder[2].weight.mT
    torch.testing.assert_close(variational.encoder(x), expected + variational.encoder[2].bias)
    for network in (autoencoder, variational):
        decoded = network.decoder(torch.randn(50, 4))
        assert 0 < decoded.min() < decoded.max() < 1


@pytest.fixture
def by_hand():
    """Two pixels, a code of one value: E(x) = leaky(x₀ − x₁), D(z) = σ(z·(2,−1) + (0,1))."""

    def build(reconstruction):
        network = Autoencoder(2, AutoencoderConfig(latent=1, slope=0.5, reconstruction=reconstruction))
        for parameter, value in zip(network.parameters(), ([[1, -1]], [0], [[2], [-1]], [0, 1]), strict=True):
            parameter.data = torch.tensor(value, dtype=torch.float32)
        return network

    return build


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def test_reconstruction_losses_by_hand(by_hand):
    """x = (0.2, 1): the code is leaky(−0.8) = −0.4, the logits are (−0.8, 1.4)."""
    x = torch.tensor([[0.2, 1.0]])
    low, high = sigmoid(-0.8), sigmoid(1.4)
    assert by_hand("bce").encoder(x).item() == pytest.approx(-0.4)
    assert by_hand("bce").loss(x, torch.Generator()).item() == pytest.approx(
        -(0.2 * math.log(low) + 0.8 * math.log(1 - low) + math.log(high)), rel=1e-6
    )
    assert by_hand("mse").loss(x, torch.Generator()).item() == pytest.approx(
        (low - 0.2) ** 2 + (high - 1) ** 2, rel=1e-6
    )


@pytest.mark.parametrize("reconstruction", ["bce", "mse"])
def test_the_loss_of_a_batch_is_the_mean_of_its_images(by_hand, reconstruction):
    x = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    network = by_hand(reconstruction)
    alone = torch.stack([network.loss(row[None], torch.Generator()) for row in x])
    torch.testing.assert_close(network.loss(x, torch.Generator()), alone.mean())


def test_divergence_by_hand():
    """Means (1, 0), variances (1, 4): ½(1 + 1 − 0 − 1) + ½(0 + 4 − ln 4 − 1)."""
    encoded = torch.tensor([[1.0, 0.0, 0.0, math.log(4)], [0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(divergence(encoded), torch.tensor([0.5 + 1.5 - math.log(2), 0.0]))


def test_divergence_is_the_expected_log_ratio():
    """KL = E_q[ln q(z) − ln p(z)], estimated from draws; its standard error here is below 0.01."""
    encoded = torch.tensor([[0.7, -0.4, -0.5, 0.8]])
    mean, log_variance = encoded.double().chunk(2, dim=1)
    noise = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = VariationalAutoencoder.sample(encoded.double(), noise)
    q, p = torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0, 1)
    assert (q.log_prob(z) - p.log_prob(z)).sum(1).mean().item() == pytest.approx(divergence(encoded).item(), abs=0.03)


def test_samples_have_the_encoders_moments():
    encoded = torch.tensor([[2.0, -1.0, math.log(0.25), math.log(9.0)]])
    noise = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))
    z = VariationalAutoencoder.sample(encoded, noise)
    torch.testing.assert_close(z.mean(0), torch.tensor([2.0, -1.0]), atol=0.04, rtol=0)
    torch.testing.assert_close(z.std(0), torch.tensor([0.5, 3.0]), atol=0.04, rtol=0)
    assert VariationalAutoencoder.code(encoded).tolist() == [[2.0, -1.0]]


def test_beta_weighs_the_divergence():
    x = torch.rand(3, 6, generator=torch.Generator().manual_seed(0))
    network = VariationalAutoencoder(6, VariationalConfig(latent=4, hidden=5))
    losses = {}
    for beta in (0.0, 1.0, 4.0):
        network.beta = beta
        losses[beta] = network.loss(x, torch.Generator().manual_seed(1)).item()
    kl = divergence(network.encoder(x)).mean().item()
    assert kl > 0
    assert losses[1.0] - losses[0.0] == pytest.approx(kl, rel=1e-4)
    assert losses[4.0] - losses[0.0] == pytest.approx(4 * kl, rel=1e-4)


def test_other_precision_same_function_and_gradients_for_the_parameters():
    network = Autoencoder(6, AutoencoderConfig(latent=4))
    x = torch.rand(3, 6)
    wide = apply(network.encoder, x, torch.float64)
    assert wide.dtype == torch.float64
    torch.testing.assert_close(wide.float(), network.encoder(x))
    wide.sum().backward()
    gradient = network.encoder[0].weight.grad.clone()
    network.zero_grad()
    network.encoder(x).sum().backward()
    torch.testing.assert_close(gradient, network.encoder[0].weight.grad)
