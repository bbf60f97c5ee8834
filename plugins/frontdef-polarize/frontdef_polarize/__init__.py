"""The polarizing front end as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef
from frontdef.classifiers import Classifier

PAPER = (
    "Can Bakiskan, Soorya Gopalakrishnan, Metehan Cekic, Upamanyu Madhow, Ramtin Pedarsani: "
    "Polarizing Front Ends for Robust CNNs (ICASSP 2020), arXiv:2002.09580"
)


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer the defense ``polarize``."""
    yield frontdef.Defense(
        "polarize",
        front_end="frontdef_polarize.front_end:PolarizingFrontEnd",
        config="frontdef_polarize.config:PolarizeConfig",
        recipe="frontdef_polarize.recipes:recipe",
        classifier="polarize-cnn",
        certificate="frontdef_polarize.certificate:ReachableCodes",
        paper=PAPER,
        summary="quantizes the normalized outputs of learned filters; or, by config, the pixels themselves",
        norms=("linf",),
        datasets=("mnist", "fashion-mnist", "digits"),
    )


@frontdef.hookimpl
def frontdef_classifiers() -> Iterable[Classifier]:
    """Offer the network of the authors' code."""
    yield Classifier(
        "polarize-cnn",
        "frontdef_polarize.classifier:polarize_cnn",
        summary="two 5x5 convolutions without padding (32, 64), each with max-pooling, and a hidden layer of 100",
        paper=PAPER,
    )


@frontdef.hookimpl
def frontdef_metrics() -> Iterable[frontdef.Metric]:
    """Offer ``danger-zone``: how much of an image lies where a perturbation can change its code."""
    yield frontdef.Metric(
        "danger-zone",
        measure="frontdef_polarize.danger:measure",
        parameters="frontdef_polarize.danger:ZoneConfig",
        summary="share of the activations within ε of a threshold, and of the images that have none there",
        paper=PAPER,
        unit="share",
    )
