"""Hebbian/anti-Hebbian blocks as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef
from frontdef.classifiers import Classifier

PAPER = (
    "Can Bakiskan: Structural Defense Techniques in Adversarial Machine Learning (dissertation, University of "
    "California, Santa Barbara, 2022), chapter 5"
)
VGG = "Simonyan and Zisserman 2015, arXiv:1409.1556"


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer the defense ``hah``."""
    yield frontdef.Defense(
        "hah",
        front_end="frontdef_hah.front_end:HahFrontEnd",
        config="frontdef_hah.config:HahConfig",
        paper=PAPER,
        summary="first blocks with Hebbian/anti-Hebbian filters, divisive normalization and a threshold a channel",
        recipe="frontdef_hah.recipes:recipe",
        classifier="hah-tail",
        norms=("linf", "l2"),
        datasets=("cifar10", "mnist", "fashion-mnist", "digits"),
    )


@frontdef.hookimpl
def frontdef_classifiers() -> Iterable[Classifier]:
    """Offer what stands behind the blocks, and the networks without them to compare with."""
    yield Classifier(
        "hah-tail",
        "frontdef_hah.networks:hah_tail",
        summary="the rest of VGG-16 or of the small network behind the front end of hah; weights normalized implicitly",
        paper=PAPER,
    )
    yield Classifier(
        "vgg16",
        "frontdef_hah.networks:vgg16",
        summary="VGG-16 with implicit weight normalization, batch norm after ReLU: the baseline of hah",
        paper=VGG,
    )
    yield Classifier(
        "vgg-narrow",
        "frontdef_hah.networks:vgg_narrow",
        summary="the same with 5/16 of its filters: the baseline of narrow hah",
        paper=VGG,
    )
    yield Classifier(
        "vgg-small",
        "frontdef_hah.networks:vgg_small",
        summary="four convolutions (16, 32, 64, 64) of the same kind for small images: the baseline of small hah",
        paper=VGG,
    )


@frontdef.hookimpl
def frontdef_metrics() -> Iterable[frontdef.Metric]:
    """Offer signal-to-noise ratio, sparsity and sameness of channels at the input of every convolution."""
    yield frontdef.Metric(
        "snr",
        "frontdef_hah.metrics:snr",
        parameters="frontdef_hah.metrics:SnrParameters",
        summary="signal-to-noise ratio at the input of each convolution",
        paper=f"{PAPER}, eq. 5.6",
        unit="dB",
        better="higher",
    )
    yield frontdef.Metric(
        "hoyer",
        "frontdef_hah.metrics:hoyer",
        parameters="frontdef_hah.metrics:HoyerParameters",
        summary="squared Hoyer term across channels at the input of each convolution: 0 one channel, 1 all equal",
        paper=f"{PAPER}, section 5.3",
        unit="share",
        better="lower",
    )
    yield frontdef.Metric(
        "same-channels",
        "frontdef_hah.channels:same_channels",
        parameters="frontdef_hah.channels:ChannelParameters",
        summary="share of an image's strongest channels that are the strongest of all images: 1 where a network cheats",
        paper=f"{PAPER}, section 5.2.2",
        unit="share",
        better="lower",
    )
