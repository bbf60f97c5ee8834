"""ℓ2-nonexpansive networks as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef
from frontdef.classifiers import Classifier

PAPER = (
    "Haifeng Qian, Mark N. Wegman: L2-Nonexpansive Neural Networks (ICLR 2019, arXiv:1802.07896), as reproduced by "
    "Binjie Yuan, Xuguang Duan, Feiyu Xiao: Certified Defense to Adversarial Attack with Nonexpansive Neural Networks"
)


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer the defense ``l2nn``."""
    yield frontdef.Defense(
        "l2nn",
        front_end="frontdef_l2nn.front_end:L2NN",
        config="frontdef_l2nn.config:L2NNConfig",
        paper=PAPER,
        summary="a network whose layers have proved ℓ2 gains, trained for wide gaps between logits, with a certificate",
        recipe="frontdef_l2nn.recipes:recipe",
        classifier="l2nn-head",
        certificate="frontdef_l2nn.certificate:GapCertificate",
        norms=("l2", "linf"),
        datasets=("mnist", "fashion-mnist", "digits", "cifar10"),
    )


@frontdef.hookimpl
def frontdef_classifiers() -> Iterable[Classifier]:
    """Offer the last layer, free and divided."""
    yield Classifier(
        "l2nn-head",
        "frontdef_l2nn.head:head",
        summary="one linear layer behind the front end l2nn, held down by its penalty",
        paper=PAPER,
    )
    yield Classifier(
        "l2nn-head-divided",
        "frontdef_l2nn.head:divided_head",
        summary="one linear layer behind the front end l2nn, divided by its proved bound",
        paper=PAPER,
    )


@frontdef.hookimpl
def frontdef_metrics() -> Iterable[frontdef.Metric]:
    """Offer the confidence gap."""
    yield frontdef.Metric(
        "confidence-gap",
        "frontdef_l2nn.metric:confidence_gap",
        summary="gap of the two largest logits over the proved Lipschitz bound, and the certified ℓ2 radius",
        paper=PAPER,
        unit="ℓ2 distance",
        better="higher",
    )
