"""What can be set: the networks, what their codes are, and how images are projected onto a decoder's range."""

from __future__ import annotations

from typing import Literal

import frontdef


class AutoencoderConfig(frontdef.Config):
    """An autoencoder; the defaults are the report's (section 3.2), and ours where it says nothing."""

    latent: int = frontdef.field(32, ge=1, description="length of the code")
    slope: float = frontdef.field(
        0.01, ge=0, lt=1, description="slope of the leaky ReLU below zero (not in the report; PyTorch's own default)"
    )
    reconstruction: Literal["bce", "mse"] = frontdef.field(
        "bce",
        description="loss of a reconstruction, summed over the pixels: bce, the binary cross-entropy in nats, or mse, "
        "the squared error (not in the report)",
    )


class VariationalConfig(AutoencoderConfig):
    """A variational autoencoder (Kingma, Welling 2014), as in section 3.2 of the report."""

    hidden: int = frontdef.field(150, ge=1, description="width of the hidden layer on either side of the code")
    beta: float = frontdef.field(
        1.0, ge=0, description="weight of the KL divergence beside the reconstruction loss (not in the report)"
    )


class DescentConfig(frontdef.Config):
    """The descent to z = argmin ‖D(z) − x‖₂ (section 2.1); 500 steps from one random start, as in section 3.2."""

    steps: int = frontdef.field(500, ge=1, description="steps of the descent, the same number for every image")
    lr: float = frontdef.field(
        0.1, gt=0, description="length of a step: of ½‖D(z) − x‖₂², in units of the code (not in the report)"
    )
    optimizer: Literal["gradient", "adam"] = frontdef.field(
        "gradient", description="gradient: plain descent, the report's; adam: with moments 0.9 and 0.999"
    )
    start: Literal["random", "zeros", "encoder"] = frontdef.field(
        "random",
        description="where the descent starts: random, one standard normal code drawn from start_seed and the same for "
        "all images; zeros; or encoder, the encoder's code of the image",
    )
    start_seed: int = frontdef.field(0, ge=0, lt=2**63, description="seed of the random start")


class AutoencoderProjectionConfig(AutoencoderConfig, DescentConfig):
    """Projection onto the range of an autoencoder's decoder."""


class VariationalProjectionConfig(VariationalConfig, AutoencoderProjectionConfig):
    """Projection onto the range of a VAE's decoder."""
