"""How long to train."""

from __future__ import annotations

from frontdef import Stage
from frontdef_sparsenet.config import SparseNetConfig

EPOCHS: dict[str, tuple[int, int, int]] = {
    "digits": (10, 5, 32),
    "digits-3-7": (16, 8, 32),
    "mnist-3-7": (8, 4, 64),
    "fashion-mnist-tshirt-pullover": (8, 4, 64),
}
"""Data set → epochs of the regularized stage, epochs of the fine-tuning, batch size."""

FALLBACK = (10, 5, 128)


def recipe(config: SparseNetConfig, dataset: str) -> tuple[Stage, ...]:
    """A regularized stage, and where weights are pruned, a second one that tunes those that are left.

    The paper says "ℓ1 regularization of weights during training" and no more: the penalty stays in the second stage.

    Args:
        config: λ and ρ.
        dataset: Id of the data set.
    """
    first, second, batch_size = EPOCHS.get(dataset, FALLBACK)
    regularized = Stage(
        name="regularized",
        mode="dense",
        epochs=first,
        batch_size=batch_size,
        lr=3e-3,
        final_lr=3e-5,
        penalty="l1",
        penalty_weight=config.strength,
    )
    if config.keep == 1:
        return (regularized,)
    return (regularized, regularized.model_copy(update={"name": "pruned", "mode": "", "epochs": second}))
