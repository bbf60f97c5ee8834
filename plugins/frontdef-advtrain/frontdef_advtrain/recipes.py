"""The training stage of a configuration, and what is usual on each data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from frontdef import Stage
from frontdef_advtrain.config import AdvTrainConfig

FAST_STEP = 1.25
"""α over ε (Wong et al. 2020, arXiv:2001.03994, section 5): 10/255 at ε = 8/255, as in the dissertation, 4.2.4."""


@dataclass(frozen=True)
class UsualTraining:
    """What is usual on a data set.

    Args:
        eps: Radius in ℓ∞, [0,1] pixel values.
        steps: Attack steps an example.
        relative_step: Step size divided by ε, for this number of steps.
        epochs: Passes over the training images.
        stage: The other fields of the stage.
    """

    eps: float
    steps: int
    relative_step: float
    epochs: int
    stage: Mapping[str, Any] = field(default_factory=dict)


def _cosine(lr: float, batch_size: int) -> dict[str, Any]:
    return {"lr": lr, "final_lr": lr / 100, "batch_size": batch_size}


SETTINGS: Mapping[str, UsualTraining] = {
    "mnist": UsualTraining(0.3, 40, 1 / 30, 10, _cosine(1e-3, 50)),
    "fashion-mnist": UsualTraining(0.1, 20, 1 / 10, 10, _cosine(1e-3, 50)),
    "digits": UsualTraining(0.1, 3, 1 / 2, 6, _cosine(2e-3, 32)),
    "cifar10": UsualTraining(
        8 / 255,
        10,
        1 / 8,
        100,
        {
            "optimizer": "sgd", "schedule": "cyclic", "lr": 0.05, "weight_decay": 5e-4, "batch_size": 64,
            "augment": "crop-flip",
        },
    ),
}  # fmt: skip
"""Data set → its setting. The attacks are the papers'; the lengths of the trainings on gray images are not."""

FALLBACK = UsualTraining(8 / 255, 10, 1 / 8, 20, {**_cosine(1e-3, 128), "weight_decay": 5e-4})
"""For every other data set; a start, not a tuned recipe."""


def recipe(config: AdvTrainConfig, dataset: str) -> tuple[Stage, ...]:
    """The stage that trains the classifier.

    Args:
        config: The method, and what departs from the data set's setting.
        dataset: Id of the data set.
    """
    setting = SETTINGS.get(dataset, FALLBACK)
    steps, relative_step = _steps(config, setting)
    loss = "trades" if config.method == "trades" else "cross-entropy"
    return (
        Stage(
            name=f"adversarial training ({config.method})",
            epochs=config.epochs or setting.epochs,
            adversarial=config.norm,
            eps=config.eps or setting.eps,
            attack_steps=steps,
            attack_step=relative_step,
            attack_restarts=config.restarts,
            loss=loss,
            beta=config.beta,
            **setting.stage,
        ),
    )


def _steps(config: AdvTrainConfig, setting: UsualTraining) -> tuple[int, float | None]:
    """Steps, and their size over ε; None for the size that a stage takes by itself, 2.5 over their number."""
    if config.method == "fast":
        return 1, config.relative_step or FAST_STEP
    steps = config.steps or setting.steps
    return steps, config.relative_step or (setting.relative_step if steps == setting.steps else None)
