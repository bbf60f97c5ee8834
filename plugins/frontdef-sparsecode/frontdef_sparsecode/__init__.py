"""The sparse coding front end as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef

PAPER = (
    "Can Bakiskan: Structural Defense Techniques in Adversarial Machine Learning (dissertation, University of "
    "California, Santa Barbara, 2022), section 4.2 and appendix B"
)
RECIPE = "frontdef_sparsecode.recipes:recipe"


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer ``sparsecode`` (randomized) and ``sparsecode-fixed`` (without dropout)."""
    yield frontdef.Defense(
        "sparsecode",
        front_end="frontdef_sparsecode.front_end:SparseCode",
        config="frontdef_sparsecode.config:SparseCodeConfig",
        paper=PAPER,
        summary="sparse codes of patches: T largest projections, dropout, thresholded sign; then a trained decoder",
        recipe=RECIPE,
        randomized=True,
        norms=("linf", "l2", "l1"),
    )
    yield frontdef.Defense(
        "sparsecode-fixed",
        front_end="frontdef_sparsecode.front_end:FixedSparseCode",
        config="frontdef_sparsecode.config:FixedSparseCodeConfig",
        paper=PAPER,
        summary="sparse codes of patches without dropout: T largest projections, thresholded sign; a trained decoder",
        recipe=RECIPE,
        certificate="frontdef_sparsecode.certificate:SparseCodeCertificate",
        norms=("linf", "l2", "l1"),
    )


@frontdef.hookimpl
def frontdef_metrics() -> Iterable[frontdef.Metric]:
    """Offer ``sparsecode-stability``."""
    yield frontdef.Metric(
        "sparsecode-stability",
        measure="frontdef_sparsecode.metric:code_stability",
        parameters="frontdef_sparsecode.metric:CodeParameters",
        summary="shares of coefficients that pass the threshold, and of patches whose code is out of an attack's reach",
        paper=PAPER,
        unit="share",
    )
