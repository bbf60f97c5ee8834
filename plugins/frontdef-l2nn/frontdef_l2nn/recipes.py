"""How body and head are trained together."""

from __future__ import annotations

from frontdef import Stage
from frontdef.config import Config
from frontdef_l2nn.config import L2NNConfig

EPOCHS = {"digits": 6}
"""Epochs by data set; the authors take 99 on MNIST."""


def recipe(config: Config, dataset_id: str) -> tuple[Stage, ...]:
    """One stage of Adam on the three-term loss, with w times L_w where w is not 0.

    Adam at 1e-3 and batches of 128 are the authors'; where they lower the rate on plateaus, it follows a cosine here.

    Args:
        config: An `L2NNConfig`.
        dataset_id: Of the data set.
    """
    assert isinstance(config, L2NNConfig)
    held = {"penalty": "nonexpansive", "penalty_weight": config.regularization} if config.regularization else {}
    small = dataset_id == "digits"
    return (
        Stage(
            name="l2nn",
            epochs=EPOCHS.get(dataset_id, 10),
            lr=3e-3 if small else 1e-3,
            final_lr=1e-5,
            batch_size=32 if small else 128,
            loss="l2nn",
            **held,
        ),
    )
