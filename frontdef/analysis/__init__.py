"""What happens in the layers: perturbations on their way through a network, and what adversarial training changes.

Chapter 3 of C. Bakiskan, *Structural Defense Techniques in Adversarial Machine Learning*: the perturbation-to-signal
ratio of each layer, partial adversarial training, statistics of the weights. Works on any classifier, defended or not.

A name is imported when it is used: who reads a stored study runs none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdef.lazy import attributes

if TYPE_CHECKING:
    from frontdef.analysis.filters import batch_norm_statistics, normalized_sparsity, sparsity
    from frontdef.analysis.layers import Layer, linear_list
    from frontdef.analysis.live import analyze
    from frontdef.analysis.partial import retrain
    from frontdef.analysis.perturb import AttackSettings, craft
    from frontdef.analysis.plan import make_plan
    from frontdef.analysis.ratio import decibels, layer_ratios, perturbation_ratio
    from frontdef.analysis.spectrum import Spectrum, singular_values
    from frontdef.analysis.study import Study, load_study, parse_study

__all__ = [
    "AttackSettings",
    "Layer",
    "Spectrum",
    "Study",
    "analyze",
    "batch_norm_statistics",
    "craft",
    "decibels",
    "layer_ratios",
    "linear_list",
    "load_study",
    "make_plan",
    "normalized_sparsity",
    "parse_study",
    "perturbation_ratio",
    "retrain",
    "singular_values",
    "sparsity",
]

__getattr__ = attributes(
    __name__,
    {
        "frontdef.analysis.filters": ("batch_norm_statistics", "normalized_sparsity", "sparsity"),
        "frontdef.analysis.layers": ("Layer", "linear_list"),
        "frontdef.analysis.live": ("analyze",),
        "frontdef.analysis.partial": ("retrain",),
        "frontdef.analysis.perturb": ("AttackSettings", "craft"),
        "frontdef.analysis.plan": ("make_plan",),
        "frontdef.analysis.ratio": ("decibels", "layer_ratios", "perturbation_ratio"),
        "frontdef.analysis.spectrum": ("Spectrum", "singular_values"),
        "frontdef.analysis.study": ("Study", "load_study", "parse_study"),
    },
)
