"""The two networks of the report (section 3.2), and the loss that trains each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef_latent.config import AutoencoderConfig, VariationalConfig

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": lambda logits, x: F.binary_cross_entropy_with_logits(logits, x, reduction="sum"),
    "mse": lambda logits, x: (logits.sigmoid() - x).square().sum(),
}
"""Name → loss of a reconstruction, given by its logits, summed over batch and pixels."""


class Autoencoder(nn.Module):
    """Three layers: image, code with leaky ReLU, image with sigmoid.

    Args:
        n_values: Pixels times channels of an image.
        config: Length of the code, slope of the leaky ReLU, loss.
    """

    encoder: nn.Sequential
    """Flat images ``(N,n_values)`` to what `code` reads."""

    decoder: nn.Sequential
    """Codes ``(N,latent)`` to flat images in (0,1); its last layer is the sigmoid."""

    def __init__(self, n_values: int, config: AutoencoderConfig) -> None:
        super().__init__()
        self.loss_of = LOSSES[config.reconstruction]
        self.encoder, self.decoder = self.layers(n_values, config)

    @staticmethod
    def layers(n_values: int, config: Any) -> tuple[nn.Sequential, nn.Sequential]:
        """Encoder and decoder for flat images of ``n_values``."""
        return (
            nn.Sequential(nn.Linear(n_values, config.latent), nn.LeakyReLU(config.slope)),
            nn.Sequential(nn.Linear(config.latent, n_values), nn.Sigmoid()),
        )

    @staticmethod
    def code(encoded: Tensor) -> Tensor:
        """The code ``(N,latent)``, of what the encoder puts out: that itself."""
        return encoded

    def loss(self, flat: Tensor, generator: torch.Generator) -> Tensor:
        """Reconstruction loss, the mean over the batch.

        Args:
            flat: ``(N,n_values)`` in [0,1].
            generator: Not used; the loss of a VAE draws from it.
        """
        return self.reconstruction_loss(self.encoder(flat), flat)

    def reconstruction_loss(self, code: Tensor, flat: Tensor) -> Tensor:
        """Loss of the images decoded from codes, the mean over the batch; from logits, which saturate later."""
        return self.loss_of(self.decoder[:-1](code), flat) / len(flat)


class VariationalAutoencoder(Autoencoder):
    """Five layers: image, hidden with leaky ReLU, code (linear), hidden with leaky ReLU, image with sigmoid.

    The encoder puts out the mean and the logarithm of the variance of a normal distribution of codes (Kingma, Welling
    2014, arXiv:1312.6114, appendix C.2).

    Args:
        n_values: Pixels times channels of an image.
        config: As for `Autoencoder`, with the hidden width and β.
    """

    def __init__(self, n_values: int, config: VariationalConfig) -> None:
        super().__init__(n_values, config)
        self.beta = config.beta

    @staticmethod
    def layers(n_values: int, config: Any) -> tuple[nn.Sequential, nn.Sequential]:
        """Encoder, with two outputs for each value of the code, and decoder for flat images of ``n_values``."""
        hidden, latent = config.hidden, config.latent
        return (
            nn.Sequential(nn.Linear(n_values, hidden), nn.LeakyReLU(config.slope), nn.Linear(hidden, 2 * latent)),
            nn.Sequential(
                nn.Linear(latent, hidden), nn.LeakyReLU(config.slope), nn.Linear(hidden, n_values), nn.Sigmoid()
            ),
        )

    @staticmethod
    def code(encoded: Tensor) -> Tensor:
        """The mean of the distribution of codes, ``(N,latent)``."""
        return encoded.chunk(2, dim=1)[0]

    @staticmethod
    def sample(encoded: Tensor, noise: Tensor) -> Tensor:
        """A code drawn from the distribution: mean plus standard deviation times noise (equation 10 of the paper).

        Args:
            encoded: What the encoder puts out, ``(N,2·latent)``.
            noise: Standard normal, ``(N,latent)``.
        """
        mean, log_variance = encoded.chunk(2, dim=1)
        return mean + (log_variance / 2).exp() * noise

    def loss(self, flat: Tensor, generator: torch.Generator) -> Tensor:
        """Negative evidence lower bound with β before the KL divergence, in nats, the mean over the batch.

        Args:
            flat: ``(N,n_values)`` in [0,1].
            generator: Of the noise, one draw an image.
        """
        encoded = self.encoder(flat)
        noise = torch.randn(len(flat), encoded.shape[1] // 2, generator=generator, device=flat.device)
        reconstruction = self.reconstruction_loss(self.sample(encoded, noise), flat)
        return reconstruction + self.beta * divergence(encoded).mean()


def divergence(encoded: Tensor) -> Tensor:
    """KL divergence of each image's distribution of codes from the standard normal one, in nats, ``(N,)``.

    ½ Σ (μ² + σ² − ln σ² − 1), equation 10 of Kingma and Welling, negated.

    Args:
        encoded: Means and logarithms of variances, ``(N,2·latent)``.
    """
    mean, log_variance = encoded.chunk(2, dim=1)
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)


def apply(module: nn.Module, values: Tensor, dtype: torch.dtype) -> Tensor:
    """What a module makes of values, computed in another precision; its parameters receive gradients as ever.

    Args:
        module: The module; it stays as it is.
        values: Its input, brought to ``dtype``.
        dtype: Of the computation and the result.
    """
    state = {name: parameter.to(dtype) for name, parameter in module.named_parameters()}
    return cast(Tensor, torch.func.functional_call(module, state, (values.to(dtype),)))
