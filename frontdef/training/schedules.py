"""Optimizers and learning rates of a stage, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, MultiStepLR

from frontdef.stage import Stage


def _adam(parameters: Sequence[nn.Parameter], stage: Stage) -> Optimizer:
    return AdamW(parameters, lr=stage.lr, weight_decay=stage.weight_decay)


def _sgd(parameters: Sequence[nn.Parameter], stage: Stage) -> Optimizer:
    return SGD(parameters, lr=stage.lr, momentum=stage.momentum, weight_decay=stage.weight_decay)


OPTIMIZERS: Mapping[str, Callable[[Sequence[nn.Parameter], Stage], Optimizer]] = {"adam": _adam, "sgd": _sgd}
"""Name → how to make one."""


def _cosine(optimizer: Optimizer, stage: Stage, steps: int) -> LRScheduler:
    return CosineAnnealingLR(optimizer, stage.epochs * steps, eta_min=stage.final_lr or stage.lr)


def _cyclic(optimizer: Optimizer, stage: Stage, steps: int) -> LRScheduler:
    """One triangle over the stage: 0, lr, 0. Momentum stays as it is, unlike with torch's CyclicLR."""
    total = stage.epochs * steps
    return LambdaLR(optimizer, lambda step: 1 - abs(2 * step / total - 1))


def _steps(optimizer: Optimizer, stage: Stage, steps: int) -> LRScheduler:
    return MultiStepLR(optimizer, [milestone * steps for milestone in stage.milestones], gamma=0.1)


SCHEDULES: Mapping[str, Callable[[Optimizer, Stage, int], LRScheduler]] = {
    "cosine": _cosine,
    "cyclic": _cyclic,
    "steps": _steps,
}
"""Name → how to make one, given the steps of an epoch."""
