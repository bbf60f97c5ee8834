"""Adversarial training as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef

PAPER = (
    "arXiv:1706.06083 (Madry et al. 2018, PGD), arXiv:2001.03994 (Wong et al. 2020, fast), "
    "arXiv:1901.08573 (Zhang et al. 2019, TRADES)"
)


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer the defense ``advtrain``: no front end, and a recipe of attacks."""
    yield frontdef.Defense(
        "advtrain",
        front_end="frontdef.frontend:Identity",
        config="frontdef_advtrain.config:AdvTrainConfig",
        paper=PAPER,
        summary="no front end; the classifier is trained on attacked images: PGD, fast (R+FGSM) or TRADES",
        recipe="frontdef_advtrain.recipes:recipe",
        norms=("linf", "l2", "l1"),
        datasets=("mnist", "fashion-mnist", "cifar10", "digits"),
    )
