"""Codes of an autoencoder or a VAE as front ends, as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef
from frontdef.classifiers import Classifier

PAPER = "Jorio Cocola, Varun Sundar Rabindranath: Making Neural Nets Robust Again (report)"


DEFENSES: tuple[tuple[str, str, str, str], ...] = (
    ("latent-ae", "AutoencoderCode", "AutoencoderConfig", "the code of an autoencoder, E(x)"),
    ("latent-vae", "VariationalMean", "VariationalConfig", "the code of a VAE: the mean of its distribution of codes"),
    ("latent-vae-sample", "VariationalSample", "VariationalConfig", "the code of a VAE, drawn anew at every call"),
    (
        "latent-ae-projection",
        "AutoencoderProjection",
        "AutoencoderProjectionConfig",
        "the code whose image, decoded by an autoencoder, is nearest: argmin ‖D(z) − x‖₂ in 500 steps",
    ),
    (
        "latent-vae-projection",
        "VariationalProjection",
        "VariationalProjectionConfig",
        "the code whose image, decoded by a VAE, is nearest: argmin ‖D(z) − x‖₂ in 500 steps",
    ),
)
"""Name, front end, configuration, summary."""


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer the four ways of the report to a code, and the one that it hints at: drawn from a VAE's distribution."""
    for name, front_end, config, summary in DEFENSES:
        yield frontdef.Defense(
            name,
            front_end=f"frontdef_latent.front_ends:{front_end}",
            config=f"frontdef_latent.config:{config}",
            paper=PAPER,
            summary=summary,
            recipe="frontdef_latent.recipes:recipe",
            classifier="latent-lrl",
            randomized=name == "latent-vae-sample",
            norms=("l2", "linf"),
            datasets=("mnist", "fashion-mnist", "digits"),
        )


@frontdef.hookimpl
def frontdef_classifiers() -> Iterable[Classifier]:
    """Offer the report's classifiers, which read codes and images."""
    yield Classifier(
        "latent-1l",
        "frontdef_latent.classifiers:one_linear",
        summary="one linear layer; reads codes and images",
        paper=PAPER,
    )
    yield Classifier(
        "latent-2l",
        "frontdef_latent.classifiers:two_linear",
        summary="two linear layers with nothing between (100); reads codes and images",
        paper=PAPER,
    )
    yield Classifier(
        "latent-lrl",
        "frontdef_latent.classifiers:linear_relu_linear",
        summary="a ReLU (100) between two linear layers; reads codes and images",
        paper=PAPER,
    )


@frontdef.hookimpl
def frontdef_metrics() -> Iterable[frontdef.Metric]:
    """Offer the report's two measures, for any defense."""
    yield frontdef.Metric(
        "confident-distance",
        "frontdef_latent.confident:measure",
        parameters="frontdef_latent.confident:ConfidentConfig",
        summary="ℓ2 distance, over the image's norm, to an example of a wrong class with 95 % confidence",
        paper=PAPER,
        better="higher",
    )
    yield frontdef.Metric(
        "confident-transfer",
        "frontdef_latent.transfer:measure",
        parameters="frontdef_latent.transfer:TransferConfig",
        summary="accuracy on such examples made for an undefended classifier of images",
        paper=PAPER,
        unit="share",
        better="higher",
    )
