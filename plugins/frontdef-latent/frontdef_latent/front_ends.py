"""The front ends: an image in, its code out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from frontdef import FrontEnd
from frontdef.bpda import Surrogate, replace_gradient
from frontdef_latent.config import (
    AutoencoderConfig,
    AutoencoderProjectionConfig,
    VariationalConfig,
)
from frontdef_latent.descent import Descent
from frontdef_latent.networks import Autoencoder, VariationalAutoencoder, apply
from frontdef_latent.pictures import code_map
from frontdef_latent.surrogates import ENCODER, IMPLICIT, UNROLLED, pseudo_inverse

ConfigT = TypeVar("ConfigT", bound=AutoencoderConfig)


class Encoding(FrontEnd[ConfigT]):
    """z = E(x): the encoder's code of an image (section 2.1 of the report). It offers the true gradient.

    Autoencoder and classifier are trained by the recipe, one after the other.

    Args:
        config: The network.
        image_shape: ``(C,H,W)`` of the images.
        surrogate: ``true``.

    Raises:
        ConfigError: No ``image_shape``.
        UnknownNameError: Another surrogate.
    """

    network_class: ClassVar[type[Autoencoder]] = Autoencoder
    learns: ClassVar[bool] = True
    needs_image_shape: ClassVar[bool] = True
    keeps_range: ClassVar[bool] = False

    def __init__(
        self,
        config: ConfigT,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        assert self.image_shape is not None
        self.network = self.network_class(math.prod(self.image_shape), config)

    def forward(self, x: Tensor) -> Tensor:
        """Encode images.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            Codes ``(N,latent)``; of any size, not in [0,1].
        """
        code: Tensor = self.network.code(self.encode(x))
        return code.to(x.dtype)

    def encode(self, x: Tensor) -> Tensor:
        """What the encoder puts out for images, in float64, so that a code does not depend on the batch it is in."""
        return apply(self.network.encoder, x.flatten(1), torch.float64)

    def decode(self, codes: Tensor) -> Tensor:
        """Images ``(N,C,H,W)`` in [0,1] of codes ``(N,latent)``."""
        assert self.image_shape is not None
        decoded: Tensor = self.network.decoder(codes)
        return decoded.reshape(-1, *self.image_shape)

    def penalties(self) -> Mapping[str, Callable[[Tensor, nn.Module], Tensor]]:
        """``reconstruction``: the loss that trains the autoencoder, the mean over the images; see `networks`."""

        def reconstruction(images: Tensor, classifier: nn.Module) -> Tensor:
            return self.network.loss(images.flatten(1), self.generator(images.device))

        return {"reconstruction": reconstruction}

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """What the codes retain of images, and where the codes lie.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1], clean or attacked.

        Returns:
            Title → images ``(N,C,H,W)`` or ``(N,1,H,W)`` in [0,1], one a sample.
        """
        with torch.no_grad():
            codes = self(images)
            return {
                "the image": images,
                "decoded from its code": self.decode(codes),
                "the codes on their two principal axes; white: this one": code_map(codes, images.shape[2:]),
            }

    def extra_repr(self) -> str:
        """The configuration, for ``print``."""
        return str(self.config)


class AutoencoderCode(Encoding[AutoencoderConfig]):
    """The code of an autoencoder."""


class VariationalMean(Encoding[VariationalConfig]):
    """The code of a VAE: the mean of the distribution that its encoder gives."""

    network_class: ClassVar[type[Autoencoder]] = VariationalAutoencoder


class VariationalSample(VariationalMean):
    """The code of a VAE: a draw from the distribution that its encoder gives, a new one at every call.

    The gradient is that of the draw which was made, through mean and variance.
    """

    randomized: ClassVar[bool] = True

    def forward(self, x: Tensor) -> Tensor:
        """Encode images; arguments and result as of `Encoding.forward`."""
        noise = torch.randn(len(x), self.config.latent, generator=self.generator(x.device), device=x.device)
        return VariationalAutoencoder.sample(self.encode(x), noise).to(x.dtype)


class AutoencoderProjection(Encoding[AutoencoderProjectionConfig]):
    """z = argmin ‖D(z) − x‖₂ by a descent of fixed length (sections 2.1 and 3.2 of the report).

    Args:
        config: The network and the descent.
        image_shape: ``(C,H,W)`` of the images.
        surrogate: ``unrolled`` (the true gradient of all steps), ``implicit`` or ``encoder``; see `surrogates`.

    Raises:
        ConfigError: No ``image_shape``.
        UnknownNameError: Another surrogate.
    """

    surrogates: ClassVar[tuple[Surrogate, ...]] = (UNROLLED, IMPLICIT, ENCODER)

    def forward(self, x: Tensor) -> Tensor:
        """Project images; arguments and result as of `Encoding.forward`."""
        descent = Descent(self.network.decoder, self.config)
        flat, start = x.flatten(1), START[self.config.start](self, x)
        if self.surrogate.name == "unrolled":
            return descent.run(flat, start)
        with torch.no_grad():
            code = descent.run(flat, start)
        return replace_gradient(code, STAND_INS[self.surrogate.name](self, x, code))

    def projected(self, x: Tensor) -> Tensor:
        """The image ``(N,C,H,W)`` in the decoder's range that the descent found nearest to ``x``."""
        return self.decode(self(x))


class VariationalProjection(AutoencoderProjection):
    """As `AutoencoderProjection`, with the decoder of a VAE."""

    network_class: ClassVar[type[Autoencoder]] = VariationalAutoencoder


def _random(front_end: AutoencoderProjection, x: Tensor) -> Tensor:
    config = front_end.config
    draw = torch.randn(config.latent, generator=torch.Generator().manual_seed(config.start_seed), dtype=torch.float64)
    return draw.to(x).expand(len(x), -1)


def _zeros(front_end: AutoencoderProjection, x: Tensor) -> Tensor:
    return x.new_zeros(len(x), front_end.config.latent)


def _encoded(front_end: AutoencoderProjection, x: Tensor) -> Tensor:
    return front_end.network.code(front_end.encode(x)).to(x.dtype)


def _pseudo_inverse(front_end: AutoencoderProjection, x: Tensor, code: Tensor) -> Tensor:
    config = front_end.config
    return pseudo_inverse(front_end.network.decoder, code, x.flatten(1), 1 / (config.lr * config.steps))


START: dict[str, Callable[[AutoencoderProjection, Tensor], Tensor]] = {
    "random": _random,
    "zeros": _zeros,
    "encoder": _encoded,
}
"""Where the descent starts: name → codes ``(N,latent)`` of the type of the images."""

STAND_INS: dict[str, Callable[[AutoencoderProjection, Tensor, Tensor], Tensor]] = {
    "implicit": _pseudo_inverse,
    "encoder": lambda front_end, x, code: _encoded(front_end, x),
}
"""Surrogate → what is differentiated in place of the descent, of images and their codes."""
