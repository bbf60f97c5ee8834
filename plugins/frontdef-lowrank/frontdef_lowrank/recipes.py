"""How long to train."""

from __future__ import annotations

from frontdef import Stage
from frontdef.models.recipes import default_recipe
from frontdef_lowrank.config import LowRankConfig

REPORT = Stage(name="natural", epochs=50, lr=1e-3, batch_size=1000)
"""Section 3.3: 50 epochs of Adam, batches of 1000. The learning rate is not given."""

DIGITS = Stage(name="natural", epochs=12, lr=3e-3, final_lr=3e-5, batch_size=64)


def recipe(config: LowRankConfig, dataset: str) -> tuple[Stage, ...]:
    """One stage of natural training; the reduction follows in `LowRankFrontEnd.finish`.

    Args:
        config: Which network.
        dataset: Id of the data set.
    """
    if config.network not in {"1l", "2l", "lrl"}:
        return default_recipe(dataset, config.network)
    return (DIGITS,) if dataset.startswith("digits") else (REPORT,)
