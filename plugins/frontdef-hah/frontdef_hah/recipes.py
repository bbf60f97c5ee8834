"""How the blocks and what stands behind them are trained, together and from the start (section 5.3)."""

from __future__ import annotations

from typing import Any

from frontdef import Stage
from frontdef_hah.config import HahConfig

TRAINING: dict[str, dict[str, Any]] = {
    "cifar10": {
        "epochs": 100,
        "batch_size": 128,
        "schedule": "steps",
        "milestones": (60, 80),
        "augment": "crop-flip",
    },
    "mnist": {"epochs": 4, "batch_size": 128, "final_lr": 1e-5},
    "fashion-mnist": {"epochs": 6, "batch_size": 128, "final_lr": 1e-5},
    "digits": {"epochs": 4, "batch_size": 64, "lr": 2e-3, "final_lr": 2e-5},
}
"""Data set → one stage of Adam. CIFAR-10's is the paper's; the others are ours."""


def recipe(config: HahConfig, dataset_id: str) -> tuple[Stage, ...]:
    """Stages for a data set; other data sets are trained as CIFAR-10 is.

    Args:
        config: Decides whether the HaH loss is added.
        dataset_id: Id of the data set.
    """
    values = TRAINING.get(dataset_id, TRAINING["cifar10"])
    return (Stage(**values, penalty="hah" if config.hebbian else ""),)
