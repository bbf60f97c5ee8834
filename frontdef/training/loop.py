"""Training from the first stage to the last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd
from frontdef.stage import Stage
from frontdef.threat import ThreatModel
from frontdef.training.checkpoint import Checkpoint
from frontdef.training.objectives import OBJECTIVES, choose
from frontdef.training.outputs import seeded
from frontdef.training.resumable import ResumableTraining
from frontdef.training.trainer import Trainer

if TYPE_CHECKING:
    from frontdef.datasets import Split

ProgressCallback = Callable[[int, int, float, float], None]
"""``(epoch, epochs, loss, accuracy)``, after each epoch; epochs are counted from 1 over all stages."""


@dataclass(frozen=True)
class TrainingLog:
    """What happened in training.

    Args:
        losses: Mean loss of each epoch, its penalty included, as seen while the weights changed.
        accuracies: Share of correct predictions of each epoch, likewise; on PGD examples in adversarial stages; NaN in
            stages that don't run the classifier.
        precomputed: Whether the front end's outputs were computed once for all epochs of some stage.
        seconds: Wall time, of the part that was not resumed.
    """

    losses: tuple[float, ...] = ()
    accuracies: tuple[float, ...] = ()
    precomputed: bool = False
    seconds: float = 0.0


def fit_classifier(
    front_end: FrontEnd[Any],
    classifier: nn.Module,
    split: Split,
    stages: Sequence[Stage],
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
    thaw: bool = True,
) -> TrainingLog:
    """Train a classifier behind a front end, and the front end with it where it learns.

    On a CPU the same weights, bit for bit, for the same seed and threads, whether or not the training was interrupted
    and resumed from a checkpoint. The front end must be prepared. Those of its parameters that require a gradient are
    trained in the stages that say so. Where it does not change in a stage, is not randomized and nothing is augmented,
    its outputs are computed once.

    Adversarial stages (Madry et al. 2018, arXiv:1706.06083, equation 2.1) train on PGD examples, crafted in eval mode
    through front end and classifier, from a random start, with the surrogate that the front end has selected.

    Args:
        front_end: The front end; in eval mode, and trained, afterwards.
        classifier: Gives logits. In eval mode afterwards.
        split: Training samples.
        stages: One after the other, each with a new optimizer.
        seed: Of the order of samples, dropout, augmentation, randomized front ends and attacks; global generators are
            left alone.
        device: Where to train; both modules stay there.
        progress: Called after each epoch.
        checkpoint: Written after epochs and gone on from; None keeps none.
        thaw: Make all parameters of the classifier trainable first; False keeps those frozen that are.

    Returns:
        Losses and accuracies.

    Raises:
        ConfigError: No stage, an adversarial stage without a radius, or a loss that is not finite.
        UnknownNameError: A mode, loss or penalty that the front end does not offer.
        StoreError: A checkpoint that can't be written, is damaged, or of another training.
    """
    _check(stages, front_end)
    started = time.perf_counter()
    trainer = Trainer(front_end, classifier, split, torch.device(device))
    total = sum(stage.epochs for stage in stages)
    # A caller may have switched gradients off, for a look at what comes out.
    with torch.enable_grad(), seeded(seed, front_end), trainer.modes(thaw):
        order = torch.Generator().manual_seed(seed)
        training = ResumableTraining(trainer, tuple(stages), order, checkpoint)
        for epoch, (loss, accuracy) in training.run():
            if progress:
                progress(epoch, total, loss, accuracy)
        front_end.finish(classifier)
        front_end.mark_trained()
    return TrainingLog(
        tuple(training.losses), tuple(training.accuracies), trainer.precomputed, time.perf_counter() - started
    )


def _check(stages: Sequence[Stage], front_end: FrontEnd[Any]) -> None:
    if not stages:
        raise ConfigError("a recipe has at least one stage: Stage(epochs=5)")
    for stage in stages:
        if stage.adversarial:
            ThreatModel(stage.adversarial, stage.eps)
        with front_end.in_mode(stage.mode):
            choose("loss", stage.loss, {**OBJECTIVES, "none": None, **front_end.losses()}, front_end)
        if stage.penalty:
            choose("penalty", stage.penalty, front_end.penalties(), front_end)
