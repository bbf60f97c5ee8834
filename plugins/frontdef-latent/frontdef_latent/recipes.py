"""How autoencoder and classifier are trained, one after the other."""

from __future__ import annotations

from frontdef import Stage
from frontdef_latent.config import AutoencoderConfig

AUTOENCODER = {"name": "autoencoder", "trains": "front-end", "loss": "none", "penalty": "reconstruction"}
CLASSIFIER = {"name": "classifier", "trains": "classifier"}

SMALL = (
    Stage(epochs=20, lr=2e-3, batch_size=64, **AUTOENCODER),
    Stage(epochs=20, lr=2e-3, batch_size=64, **CLASSIFIER),
)
"""For scikit-learn's digits, of which there are 1,297: seconds."""

REPORT = (
    Stage(epochs=50, batch_size=1000, **AUTOENCODER),
    Stage(epochs=150, batch_size=1000, **CLASSIFIER),
)
"""The report trains its classifiers for 150 epochs of Adam on batches of 1000 (section 3.3); of the autoencoder's
training it says nothing, and of Adam's learning rate neither: 50 epochs and 10⁻³ are ours."""


def recipe(config: AutoencoderConfig, dataset: str) -> tuple[Stage, ...]:
    """Stages for a data set.

    Args:
        config: The same stages serve every configuration.
        dataset: Id of the data set.
    """
    return SMALL if dataset == "digits" else REPORT
