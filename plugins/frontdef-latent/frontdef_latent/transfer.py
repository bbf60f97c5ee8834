"""Adversarial accuracy on examples that were made for an undefended classifier of images (section 3.5 of the report).

The same can be asked with any other attack by a matrix's ``source``; here the examples are the report's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

import frontdef
from frontdef import Stage
from frontdef.protected import Protected
from frontdef_latent.confident import ConfidentConfig, examples


class TransferConfig(ConfidentConfig):
    """Parameters of `measure`: of the descent, and of the classifier that it attacks."""

    dataset: str = frontdef.field(description="id of the data set on which the attacked classifier is trained")
    classifier: str = frontdef.field("latent-lrl", description="id of the attacked classifier, which reads images")
    train_samples: int | None = frontdef.field(None, ge=1, description="its training images; all if absent")
    epochs: int = frontdef.field(
        50, ge=1, description="its training: passes of Adam with learning rate 10⁻³, as many as in section 3.3"
    )
    batch_size: int = frontdef.field(1000, ge=1, description="images a step of it, as in section 3.3")


def measure(protected: Protected, x: Tensor, y: Tensor, parameters: TransferConfig, seed: int) -> dict[str, Tensor]:
    """Whether a model classifies examples correctly which another one takes for a wrong class.

    The other one, without any defense, is trained first, or read from the cache of trained models.

    Args:
        protected: The model that is judged.
        x: Images ``(N,C,H,W)`` in [0,1].
        y: Labels ``(N,)``.
        parameters: The attack and the attacked classifier.
        seed: Of its training, of the goals and of randomized front ends.

    Returns:
        ``adversarial accuracy``, 1 or 0; ``clean accuracy`` of the same images; both NaN where there is no example, as
        the attacked classifier is wrong or its goal was not reached. Float ``(N,)`` on the CPU.

    Raises:
        UnknownNameError: No such data set or classifier.
        DataError: The data set is missing.
        ConfigError: The classifier reads no such images, or more training images than there are.
    """
    stages = (Stage(epochs=parameters.epochs, batch_size=parameters.batch_size),)
    attacked = frontdef.train(
        "none",
        dataset=parameters.dataset,
        classifier=parameters.classifier,
        recipe=stages,
        train_samples=parameters.train_samples,
        seed=seed,
        device=protected.device,
    )
    x, y = x.to(protected.device), y.to(protected.device)
    nearest, correct = examples(attacked, x, y, parameters, seed)
    made = (correct & nearest.distances.isfinite()).cpu()
    judge = protected.eot(parameters.draws, average="probabilities") if protected.front_end.randomized else protected
    right = [(judge.predict(images).argmax(1) == y.cpu()).float() for images in (nearest.images, x)]
    adversarial, clean = (torch.where(made, values, torch.nan) for values in right)
    return {"adversarial accuracy": adversarial, "clean accuracy": clean}
