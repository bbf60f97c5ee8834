"""The loop: stages one after the other, each an optimizer, a loss and a schedule over epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd
from frontdef.stage import Stage
from frontdef.threat import ThreatModel
from frontdef.training.augment import AUGMENTATIONS
from frontdef.training.checkpoint import (
    Checkpoint,
    module_state,
    optimizer_state,
    part,
    prefixed,
    random_states,
    restore_optimizer,
    restore_random_states,
)
from frontdef.training.objectives import OBJECTIVES, Batch, choose
from frontdef.training.schedules import OPTIMIZERS, SCHEDULES

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from frontdef.datasets import Split

REVISION = 2
"""Raise it when a change here, or in the recipes, changes the weights: trained models are cached under it."""

BATCH = 256
PRECOMPUTE_LIMIT = 2**31
"""Bytes of front-end outputs that are kept; a larger output is computed anew in every epoch."""

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
    job = _Job(front_end, classifier, split, torch.device(device))
    total = sum(stage.epochs for stage in stages)
    with seeded(seed, front_end), job.modes(thaw):
        order = torch.Generator().manual_seed(seed)
        course = _Course(job, tuple(stages), order, checkpoint)
        for epoch, (loss, accuracy) in course.run():
            if progress:
                progress(epoch, total, loss, accuracy)
        front_end.finish(classifier)
        front_end.mark_trained()
    return TrainingLog(tuple(course.losses), tuple(course.accuracies), job.precomputed, time.perf_counter() - started)


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


@dataclass
class _Course:
    """The way through the stages, from the start or from a checkpoint."""

    job: _Job
    stages: tuple[Stage, ...]
    order: torch.Generator
    checkpoint: Checkpoint | None
    losses: list[float] = field(default_factory=list, init=False)
    accuracies: list[float] = field(default_factory=list, init=False)

    def run(self) -> Iterator[tuple[int, tuple[float, float]]]:
        """Train; yields the number of each epoch, counted from 1 over all stages, with its loss and accuracy."""
        resumed = self._resume()
        done = len(self.losses)
        first = 0
        for number, stage in enumerate(self.stages):
            begin, first = first, first + stage.epochs
            if done >= first:
                continue
            with self.job.stage(stage) as (optimizer, schedule):
                if resumed is not None and done > begin:
                    tensors, about = resumed
                    restore_optimizer(optimizer, schedule, part("optimizer.", tensors), about["optimizer"])
                if resumed is not None:
                    restore_random_states(
                        self.job.front_end, self.order, part("random.", resumed[0]), resumed[1]["random"]
                    )
                    resumed = None
                for epoch in range(max(done - begin, 0), stage.epochs):
                    self._epoch(number, stage, epoch, optimizer, schedule)
                    if epoch + 1 == stage.epochs:
                        self.job.front_end.after_stage(stage.name)
                    self._keep(optimizer, schedule, number, epoch)
                    yield len(self.losses), (self.losses[-1], self.accuracies[-1])

    def _epoch(self, number: int, stage: Stage, epoch: int, optimizer: Optimizer, schedule: LRScheduler) -> None:
        try:
            loss, accuracy = self.job.epoch(stage, stage.weight(epoch), self.order, optimizer, schedule)
        except FloatingPointError as error:
            total = sum(each.epochs for each in self.stages)
            named = f" {stage.name!r}" if stage.name else ""
            raise ConfigError(
                f"training diverged: the loss is {error} in epoch {len(self.losses) + 1} of {total} (stage "
                f"{number + 1}{named}, its epoch {epoch + 1}); lower the learning rate, now lr = {stage.lr:g}"
                f"{self._last_good()}"
            ) from None
        self.losses.append(loss)
        self.accuracies.append(accuracy)

    def _last_good(self) -> str:
        found = self.checkpoint.load() if self.checkpoint else None
        if found is None or self.checkpoint is None:
            return ""
        return f". The last good checkpoint, after epoch {len(found[1]['losses'])}, is {self.checkpoint.path}"

    def _keep(self, optimizer: Optimizer, schedule: LRScheduler, number: int, epoch: int) -> None:
        if self.checkpoint is None or not self.checkpoint.due():
            return
        learned, rates = optimizer_state(optimizer, schedule)
        random, states = random_states(self.job.front_end, self.order)
        tensors = (
            prefixed("front_end.", module_state(self.job.front_end))
            | prefixed("classifier.", module_state(self.job.classifier))
            | prefixed("optimizer.", learned)
            | prefixed("random.", random)
        )
        accuracies = [None if math.isnan(value) else value for value in self.accuracies]
        about = {"stage": number, "epoch": epoch, "losses": self.losses, "accuracies": accuracies}
        self.checkpoint.save(tensors, {**about, "optimizer": rates, "random": states})

    def _resume(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        found = self.checkpoint.load() if self.checkpoint else None
        if found is None:
            return None
        tensors, about = found
        self.job.front_end.load_state_dict(part("front_end.", tensors))
        self.job.classifier.load_state_dict(part("classifier.", tensors))
        self.losses = [float(value) for value in about["losses"]]
        self.accuracies = [math.nan if value is None else float(value) for value in about["accuracies"]]
        return found


@dataclass
class _Job:
    """One training: the modules, the samples, and the front end's outputs where they can be computed once."""

    front_end: FrontEnd[Any]
    classifier: nn.Module
    split: Split
    device: torch.device
    features: Tensor | None = field(default=None, init=False)
    precomputed: bool = field(default=False, init=False)

    @contextmanager
    def modes(self, thaw: bool) -> Iterator[None]:
        """Bring both modules to the device; eval mode for both afterwards."""
        self.front_end.to(self.device)
        self.classifier.to(self.device)
        if thaw:
            self.classifier.requires_grad_(True)
        try:
            yield
        finally:
            self.front_end.eval()
            self.classifier.eval()

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[tuple[Optimizer, LRScheduler]]:
        """Freeze what the stage does not train, and make its optimizer and schedule."""
        trained = {
            "all": (self.classifier, self.front_end),
            "front-end": (self.front_end,),
            "classifier": (self.classifier,),
        }
        parameters = [
            parameter
            for module in trained[stage.trains]
            for parameter in module.parameters()
            if parameter.requires_grad
        ]
        kept = {id(parameter) for parameter in parameters}
        frozen = [
            parameter
            for parameter in (*self.classifier.parameters(), *self.front_end.parameters())
            if parameter.requires_grad and id(parameter) not in kept
        ]
        if not parameters:
            raise ConfigError(f"a stage trains {stage.trains!r}, and nothing there requires a gradient")
        optimizer = OPTIMIZERS[stage.optimizer](parameters, stage)
        schedule = SCHEDULES[stage.schedule](optimizer, stage, -(-len(self.split) // stage.batch_size))
        for parameter in frozen:
            parameter.requires_grad_(False)
        self.trains_front_end = stage.trains != "classifier" and any(
            p.requires_grad for p in self.front_end.parameters()
        )
        self.trains_classifier = stage.trains != "front-end"
        self._training()
        try:
            with self.front_end.in_mode(stage.mode):
                yield optimizer, schedule
        finally:
            self.features = None
            for parameter in frozen:
                parameter.requires_grad_(True)

    def _training(self) -> None:
        self.front_end.train(self.trains_front_end)
        self.classifier.train(self.trains_classifier)

    def epoch(
        self, stage: Stage, weight: float, order: torch.Generator, optimizer: Optimizer, schedule: LRScheduler
    ) -> tuple[float, float]:
        """One pass over the samples: mean loss and accuracy.

        Raises:
            FloatingPointError: A loss that is not finite.
        """
        loss_sum, correct = 0.0, 0.0
        for rows in torch.split(torch.randperm(len(self.split), generator=order), stage.batch_size):
            loss, right = self._batch(rows, stage, weight)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise FloatingPointError(value)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            loss_sum += value * len(rows)
            correct += right
        return loss_sum / len(self.split), correct / len(self.split)

    def _batch(self, rows: Tensor, stage: Stage, weight: float) -> tuple[Tensor, float]:
        y = self.split.labels[rows].to(self.device)
        batch = Batch(self.front_end, self.classifier, y, stage, self._training)
        if self._precompute(stage):
            assert self.features is not None
            batch.features = self.features[rows].to(self.device)
        if batch.features is None or stage.penalty:
            batch.x = AUGMENTATIONS[stage.augment](self.split.images[rows].to(self.device))
        return batch.evaluate(weight)

    def _precompute(self, stage: Stage) -> bool:
        """Whether the outputs are at hand, computing them where they are always the same and not too large."""
        changes = self.trains_front_end or type(self.front_end).randomized or stage.adversarial is not None
        if changes or stage.augment != "none" or stage.loss == "none":
            return False
        if self.features is None:
            one = next(outputs(self.front_end, self.split.images[:1], self.device))
            if one.numel() * one.element_size() * len(self.split) <= PRECOMPUTE_LIMIT:
                self.features = torch.cat(list(outputs(self.front_end, self.split.images, self.device)))
                self.precomputed = True
        return self.features is not None
