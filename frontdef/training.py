"""Training of what stands behind a front end: stages of Adam on clean images or on PGD examples.

ART has trainers of its own (`art.defences.trainer`), and they are not used here. `AdversarialTrainerMadryPGD` takes an
ART classifier with one fixed optimizer, so it knows neither stages nor a cosine; it draws batches and examples from
numpy's global generator, carries every batch through numpy, and reports no progress. What it does beyond a plain loop
is the one call that crafts the examples; here that call is the native PGD, the benchmark's own reference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.defense import Stage
from frontdef.errors import ConfigError
from frontdef.threat import ThreatModel

if TYPE_CHECKING:
    from frontdef.datasets import Split
    from frontdef.frontend import FrontEnd

REVISION = 1
"""Raise it when a change here, or in the recipes, changes the weights: trained models are cached under it."""

STEP = 2.5
"""Length of a step of training's PGD: this times ε over the number of steps, so that the walk can cross the ball."""

BATCH = 256
PRECOMPUTE_LIMIT = 2**31
"""Bytes of front-end outputs that are kept; a larger output is computed anew in every epoch."""

ProgressCallback = Callable[[int, int, float, float], None]
"""``(epoch, epochs, loss, accuracy)``, after each epoch; epochs are counted from 1 over all stages."""


@dataclass(frozen=True)
class TrainingLog:
    """What happened in training.

    Args:
        losses: Mean cross-entropy of each epoch, nats, as seen while the weights changed.
        accuracies: Share of correct predictions of each epoch, likewise; on PGD examples in adversarial stages.
        precomputed: Whether the front end's outputs were computed once for all epochs.
        seconds: Wall time.
    """

    losses: tuple[float, ...] = ()
    accuracies: tuple[float, ...] = ()
    precomputed: bool = False
    seconds: float = 0.0


@contextmanager
def seeded(seed: int, front_end: FrontEnd[Any]) -> Iterator[None]:
    """Seed numpy's and torch's global generators and the front end's own; restore the global ones afterwards.

    Args:
        seed: For all of them.
        front_end: Draws from its own generator.
    """
    numpy_state = np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        front_end.reseed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)


def prepare(front_end: FrontEnd[Any], images: Tensor, *, seed: int, device: torch.device | str = "cpu") -> None:
    """Fit a front end to images without labels (its dictionary, its autoencoder), where it has anything to fit.

    Args:
        front_end: The front end; on the device and in eval mode afterwards.
        images: float32 ``(N,C,H,W)`` in [0,1].
        seed: Of everything random in it.
        device: Where to fit; front end and images are brought there.
    """
    front_end.to(device).eval()
    with seeded(seed, front_end):
        front_end.fit(images.to(device))
    front_end.eval()


def outputs(front_end: FrontEnd[Any], images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """What the front end puts out, batch by batch, on the CPU and without gradients."""
    with torch.no_grad():
        for x in torch.split(images, BATCH):
            yield front_end(x.to(device)).cpu()


def moments(batches: Iterator[Tensor]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel (dimension 1), in float64; a constant channel gets 1.

    Args:
        batches: ``(N,C,…)``, at least one.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        values = batch.double().transpose(0, 1).flatten(1)
        count += values.shape[1]
        total = total + values.sum(1)
        squares = squares + values.square().sum(1)
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    return mean.tolist(), torch.where(std > 1e-6, std, 1.0).tolist()


def fit_classifier(
    front_end: FrontEnd[Any],
    classifier: nn.Module,
    split: Split,
    stages: Sequence[Stage],
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> TrainingLog:
    """Train a classifier behind a front end; on a CPU the same weights, bit for bit, for the same seed and threads.

    The front end must be prepared. Those of its parameters that require a gradient are trained along; then, and where
    it is randomized, every batch passes through it. Otherwise its outputs are computed once.

    Adversarial stages (Madry et al. 2018, arXiv:1706.06083, equation 2.1) train on PGD examples only, crafted in eval
    mode through front end and classifier, from a random start, with the surrogate that the front end has selected.
    Nothing is augmented.

    Args:
        front_end: The front end; in eval mode afterwards.
        classifier: Gives logits; its parameters are made trainable. In eval mode afterwards.
        split: Training samples.
        stages: One after the other, each with a new optimizer: Adam with decoupled weight decay, and a cosine to the
            final learning rate where there is one.
        seed: Of the order of samples, dropout, randomized front ends and attacks; global generators are left alone.
        device: Where to train; both modules stay there.
        progress: Called after each epoch.

    Returns:
        Losses and accuracies.

    Raises:
        ConfigError: No stage, an adversarial stage without a radius, or a loss that is not finite.
    """
    _check(stages)
    started = time.perf_counter()
    job = _Job(front_end, classifier, split, torch.device(device))
    total = sum(stage.epochs for stage in stages)
    losses: list[float] = []
    accuracies: list[float] = []
    with seeded(seed, front_end), job.modes():
        order = torch.Generator().manual_seed(seed)
        for stage in stages:
            for loss, accuracy in job.run(stage, order):
                losses.append(loss)
                accuracies.append(accuracy)
                if not np.isfinite(loss):
                    raise ConfigError(
                        f"training diverged: the loss is {loss} in epoch {len(losses)} of {total}; lower the learning "
                        f"rate, now lr = {stage.lr:g}"
                    )
                if progress:
                    progress(len(losses), total, loss, accuracy)
    return TrainingLog(tuple(losses), tuple(accuracies), job.features is not None, time.perf_counter() - started)


def _check(stages: Sequence[Stage]) -> None:
    if not stages:
        raise ConfigError("a recipe has at least one stage: Stage(epochs=5)")
    for stage in stages:
        if stage.adversarial:
            ThreatModel(stage.adversarial, stage.eps)


@dataclass
class _Job:
    """One training: the modules, the samples, and the front end's outputs where they can be computed once."""

    front_end: FrontEnd[Any]
    classifier: nn.Module
    split: Split
    device: torch.device
    features: Tensor | None = field(default=None, init=False)

    @contextmanager
    def modes(self) -> Iterator[None]:
        """Training mode for what is trained, eval mode for all afterwards."""
        self.front_end.to(self.device).train(self.trains_front_end)
        self.classifier.to(self.device).requires_grad_(True).train()
        try:
            yield
        finally:
            self.front_end.eval()
            self.classifier.eval()

    @property
    def trains_front_end(self) -> bool:
        return any(parameter.requires_grad for parameter in self.front_end.parameters())

    def run(self, stage: Stage, order: torch.Generator) -> Iterator[tuple[float, float]]:
        """Train for one stage; yields loss and accuracy of each epoch."""
        parameters = chain(self.classifier.parameters(), self.front_end.parameters())
        optimizer = torch.optim.AdamW(
            [parameter for parameter in parameters if parameter.requires_grad],
            lr=stage.lr,
            weight_decay=stage.weight_decay,
        )
        steps = stage.epochs * -(-len(self.split) // stage.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=stage.final_lr or stage.lr)
        for _ in range(stage.epochs):
            loss_sum, correct = 0.0, 0
            for rows in torch.split(torch.randperm(len(self.split), generator=order), stage.batch_size):
                y = self.split.labels[rows].to(self.device)
                logits = self.logits(rows, y, stage)
                loss = F.cross_entropy(logits, y)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                loss_sum += float(loss.detach()) * len(rows)
                correct += int((logits.argmax(1) == y).sum())
            yield loss_sum / len(self.split), correct / len(self.split)

    def logits(self, rows: Tensor, y: Tensor, stage: Stage) -> Tensor:
        """Logits of a batch: of precomputed outputs where that is possible."""
        if stage.adversarial is None and self.precompute():
            assert self.features is not None
            return cast(Tensor, self.classifier(self.features[rows].to(self.device)))
        x = self.split.images[rows].to(self.device)
        if stage.adversarial is not None:
            x = self.attack(x, y, ThreatModel(stage.adversarial, stage.eps), stage.attack_steps)
        return cast(Tensor, self.classifier(self.front_end(x)))

    def precompute(self) -> bool:
        """Whether the outputs are at hand, computing them where they are always the same and not too large."""
        if self.features is None and not self.trains_front_end and not type(self.front_end).randomized:
            one = next(outputs(self.front_end, self.split.images[:1], self.device))
            if one.numel() * one.element_size() * len(self.split) <= PRECOMPUTE_LIMIT:
                self.features = torch.cat(list(outputs(self.front_end, self.split.images, self.device)))
        return self.features is not None

    def attack(self, x: Tensor, y: Tensor, threat: ThreatModel, steps: int) -> Tensor:
        """PGD examples of a batch, crafted in eval mode."""
        from frontdef.attacks.native.pgd import pgd

        model = nn.Sequential(self.front_end, self.classifier).eval()
        examples = pgd(model, x, y, threat=threat, steps=steps, step_size=STEP * threat.eps / steps, random_start=True)
        self.front_end.train(self.trains_front_end)
        self.classifier.train()
        return examples
