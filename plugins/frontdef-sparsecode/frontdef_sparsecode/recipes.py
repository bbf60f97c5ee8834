"""How it is trained: jointly on the labels, or first the decoder on the images alone, then the classifier."""

from __future__ import annotations

from frontdef import Stage
from frontdef_sparsecode.config import FixedSparseCodeConfig, SparseCodeConfig

_SMALL: dict[str, Stage] = {
    "digits": Stage(epochs=6, lr=1e-3, final_lr=1e-4),
    "mnist": Stage(epochs=5, lr=1e-3, final_lr=1e-5, batch_size=128),
    "fashion-mnist": Stage(epochs=8, lr=1e-3, final_lr=1e-5, batch_size=128),
}
"""Gray images; the dissertation has none."""

PEAK = 0.05
PEAK_FIXED, PEAK_FIXED_FROM = 0.02, 5
"""Largest learning rate; the second one without dropout, for T ≥ 5 (appendix B.3)."""


def recipe(config: FixedSparseCodeConfig, dataset: str) -> tuple[Stage, ...]:
    """Stages for a data set (4.2.4, appendix B.3): SGD, learning rate 0 → 0.05 → 0, crops and flips, 70 epochs.

    Args:
        config: Its ``decoder`` decides between the two trainings.
        dataset: Id of the data set.
    """
    stage = _SMALL.get(dataset) or _cyclic(config)
    if config.decoder == "supervised":
        return (stage.model_copy(update={"name": "decoder and classifier"}),)
    reconstruct = {"name": "decoder", "trains": "front-end", "loss": "none", "penalty": "reconstruction"}
    return (
        stage.model_copy(update=reconstruct),
        stage.model_copy(update={"name": "classifier", "trains": "classifier"}),
    )


def _cyclic(config: FixedSparseCodeConfig) -> Stage:
    randomized = isinstance(config, SparseCodeConfig)
    return Stage(
        epochs=70,
        optimizer="sgd",
        schedule="cyclic",
        lr=PEAK if randomized or (config.top or PEAK_FIXED_FROM) < PEAK_FIXED_FROM else PEAK_FIXED,
        weight_decay=5e-4,
        batch_size=64,
        augment="crop-flip",
    )
