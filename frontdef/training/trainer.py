"""One training: the modules, the samples, and an epoch over them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd
from frontdef.stage import Stage
from frontdef.training.augment import AUGMENTATIONS
from frontdef.training.objectives import Batch
from frontdef.training.outputs import outputs
from frontdef.training.schedules import OPTIMIZERS, SCHEDULES

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from frontdef.datasets import Split

PRECOMPUTE_LIMIT = 2**31
"""Bytes of front-end outputs that are kept; a larger output is computed anew in every epoch."""


@dataclass
class Trainer:
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
            output = next(outputs(self.front_end, self.split.images[:1], self.device))
            if output.numel() * output.element_size() * len(self.split) <= PRECOMPUTE_LIMIT:
                self.features = torch.cat(list(outputs(self.front_end, self.split.images, self.device)))
                self.precomputed = True
        return self.features is not None
