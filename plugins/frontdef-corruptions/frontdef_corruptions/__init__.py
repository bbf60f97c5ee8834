"""Accuracy under noise and common corruptions, for any defense; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef

PAPER = "Hendrycks and Dietterich 2019, arXiv:1903.12261"


@frontdef.hookimpl
def frontdef_metrics() -> Iterable[frontdef.Metric]:
    """Offer the metrics ``gaussian-noise`` and ``corruptions``."""
    yield frontdef.Metric(
        "gaussian-noise",
        "frontdef_corruptions.metrics:gaussian_noise",
        parameters="frontdef_corruptions.metrics:GaussianNoiseParameters",
        summary="accuracy under i.i.d. Gaussian noise, clipped to [0,1]",
        paper=PAPER,
        unit="share",
        better="higher",
    )
    yield frontdef.Metric(
        "corruptions",
        "frontdef_corruptions.metrics:corruptions",
        parameters="frontdef_corruptions.metrics:CorruptionsParameters",
        summary="accuracy under common corruptions at five severities, with the parameters of CIFAR-10-C",
        paper=PAPER,
        unit="share",
        better="higher",
    )
