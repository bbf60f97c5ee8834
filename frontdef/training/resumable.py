"""The way through the stages of a training: epochs, checkpoints, and where it goes on after a kill."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from frontdef.errors import ConfigError, UnwritableError
from frontdef.stage import Stage
from frontdef.training.checkpoint import (
    Checkpoint,
    module_state,
    optimizer_state,
    prefixed,
    random_states,
    restore_optimizer,
    restore_random_states,
    unprefixed,
)
from frontdef.training.trainer import Trainer

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

_log = logging.getLogger("frontdef")


@dataclass
class ResumableTraining:
    """The way through the stages, from the start or from a checkpoint."""

    trainer: Trainer
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
            with self.trainer.stage(stage) as (optimizer, schedule):
                if resumed is not None and done > begin:
                    tensors, about = resumed
                    restore_optimizer(optimizer, schedule, unprefixed("optimizer.", tensors), about["optimizer"])
                if resumed is not None:
                    restore_random_states(
                        self.trainer.front_end, self.order, unprefixed("random.", resumed[0]), resumed[1]["random"]
                    )
                    resumed = None
                for epoch in range(max(done - begin, 0), stage.epochs):
                    self._epoch(number, stage, epoch, optimizer, schedule)
                    if epoch + 1 == stage.epochs:
                        self.trainer.front_end.after_stage(stage.name)
                    self._keep(optimizer, schedule, number, epoch)
                    yield len(self.losses), (self.losses[-1], self.accuracies[-1])

    def _epoch(self, number: int, stage: Stage, epoch: int, optimizer: Optimizer, schedule: LRScheduler) -> None:
        try:
            loss, accuracy = self.trainer.epoch(stage, stage.weight(epoch), self.order, optimizer, schedule)
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
        saved = self.checkpoint.load() if self.checkpoint else None
        if saved is None or self.checkpoint is None:
            return ""
        return f". The last good checkpoint, after epoch {len(saved[1]['losses'])}, is {self.checkpoint.path}"

    def _keep(self, optimizer: Optimizer, schedule: LRScheduler, number: int, epoch: int) -> None:
        if self.checkpoint is None or not self.checkpoint.due():
            return
        learned, rates = optimizer_state(optimizer, schedule)
        random, states = random_states(self.trainer.front_end, self.order)
        tensors = (
            prefixed("front_end.", module_state(self.trainer.front_end))
            | prefixed("classifier.", module_state(self.trainer.classifier))
            | prefixed("optimizer.", learned)
            | prefixed("random.", random)
        )
        accuracies = [None if math.isnan(value) else value for value in self.accuracies]
        about = {"stage": number, "epoch": epoch, "losses": self.losses, "accuracies": accuracies}
        try:
            self.checkpoint.save(tensors, {**about, "optimizer": rates, "random": states})
        except UnwritableError as error:  # the weights alone may still fit: they are a fraction of a checkpoint
            _log.warning("training goes on without a checkpoint: %s", error)
            self.checkpoint.skip()

    def _resume(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        saved = self.checkpoint.load() if self.checkpoint else None
        if saved is None:
            return None
        tensors, about = saved
        self.trainer.front_end.load_state_dict(unprefixed("front_end.", tensors))
        self.trainer.classifier.load_state_dict(unprefixed("classifier.", tensors))
        self.losses = [float(value) for value in about["losses"]]
        self.accuracies = [math.nan if value is None else float(value) for value in about["accuracies"]]
        return saved
