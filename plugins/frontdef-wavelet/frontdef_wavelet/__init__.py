"""The wavelet sparsifying front end as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef

PAPER = (
    "Soorya Gopalakrishnan, Zhinus Marzi, Upamanyu Madhow, Ramtin Pedarsani: "
    "Toward Robust Neural Networks via Sparsification (2018)"
)


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer the defense ``wavelet``."""
    yield frontdef.Defense(
        "wavelet",
        front_end="frontdef_wavelet.front_end:WaveletFrontEnd",
        config="frontdef_wavelet.config:WaveletConfig",
        paper=PAPER,
        summary="keeps the K = ⌊ρN⌋ largest wavelet coefficients of an image (CDF 9/7) and zeroes the rest",
        norms=("linf",),
        datasets=("mnist", "fashion-mnist", "digits"),
    )
