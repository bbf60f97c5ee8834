"""The rules: how each type of module maps a box to a box, its own rounding included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.bounds.box import TINY, Box, affine, rounding
from frontdef.classifiers.network import Network
from frontdef.errors import ConfigError

Rule = Callable[[Any, Box], Box]
RULES: dict[type[nn.Module], Rule] = {}
"""Type of module → rule ``(module, box) -> box``."""


def rule(*types: type[nn.Module]) -> Callable[[Rule], Rule]:
    """Make modules known: decorate a function ``(module, box) -> box`` that bounds the output, rounding included.

    It also serves subclasses that inherit ``forward``.

    Args:
        types: The types of module that it bounds.
    """

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(types, function))
        return function

    return register


def find(module: nn.Module) -> Rule:
    """The rule of a module.

    Raises:
        ConfigError: It has none.
    """
    for base, function in RULES.items():
        if isinstance(module, base) and runs_as(module, base):
            return function
    raise ConfigError(
        f"no rule bounds the output of {type(module).__module__}.{type(module).__qualname__}. Known: Sequential, "
        f"Network, {', '.join(sorted(known.__name__ for known in RULES))}; frontdef.bounds.rule adds another"
    )


def runs_as(module: nn.Module, base: type[nn.Module]) -> bool:
    """Whether a module computes what its base class does."""
    return type(module).forward is base.forward


def normalization(module: Network, box: Box) -> Box:
    """The first layer of a `Network`; its body has rules of its own."""
    mean, std = module.mean.double(), module.std.double()
    slack = rounding(2) * (box.magnitude + mean.abs()) / std
    return Box((box.low - mean) / std - slack, (box.high - mean) / std + slack)


@rule(nn.Linear)
def linear(module: nn.Linear, box: Box) -> Box:
    """Bounds are attained."""
    return affine(box, module.weight, module.bias, module.in_features + 1, F.linear)


@rule(nn.Conv2d)
def _conv2d(module: nn.Conv2d, box: Box) -> Box:
    if module.padding_mode != "zeros":
        raise ConfigError(f"bounds of a convolution need padding_mode='zeros', got {module.padding_mode!r}")

    def apply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, weight, bias, module.stride, module.padding, module.dilation, module.groups)

    return affine(box, module.weight, module.bias, module.weight[0].numel() + 1, apply)


@rule(nn.BatchNorm1d, nn.BatchNorm2d)
def _batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, box: Box) -> Box:
    mean, variance = module.running_mean, module.running_var
    if module.training or mean is None or variance is None:
        raise ConfigError("bounds of batch normalization need its running statistics, in eval mode")
    shape = (1, -1) + (1,) * (box.low.dim() - 2)
    mean = mean.double().view(shape)
    scale = (variance.double() + module.eps).rsqrt().view(shape)
    scale = scale if module.weight is None else scale * module.weight.double().view(shape)
    bias = torch.zeros_like(mean) if module.bias is None else module.bias.double().view(shape)
    middle = (box.middle - mean) * scale + bias
    # However the eight operations are arranged: the mean may be folded into the bias.
    error = rounding(8) * ((box.magnitude + mean.abs()) * scale.abs() + bias.abs()) + TINY
    spread = box.radius * scale.abs() + error
    return Box(middle - spread, middle + spread)


@rule(nn.ReLU)
def _relu(module: nn.ReLU, box: Box) -> Box:
    return box.map(torch.relu)  # not the module, which may work in place


@rule(nn.LeakyReLU)
def _leaky_relu(module: nn.LeakyReLU, box: Box) -> Box:
    if module.negative_slope < 0:
        raise ConfigError(f"bounds of a leaky ReLU need a slope of at least 0, got {module.negative_slope}")
    slope = module.negative_slope
    error = rounding(1) * slope * box.magnitude + TINY
    return Box(F.leaky_relu(box.low, slope) - error, F.leaky_relu(box.high, slope) + error)


@rule(nn.MaxPool2d)
def _max_pool(module: nn.MaxPool2d, box: Box) -> Box:
    return box.map(module)


@rule(nn.AvgPool2d, nn.AdaptiveAvgPool2d)
def _average_pool(module: nn.AvgPool2d | nn.AdaptiveAvgPool2d, box: Box) -> Box:
    window = box.low.shape[-2] * box.low.shape[-1]
    error = rounding(window + 1) * module(box.magnitude) + TINY
    return Box(module(box.low) - error, module(box.high) + error)


@rule(nn.Flatten, nn.Unflatten)
def _reshaped(module: nn.Flatten | nn.Unflatten, box: Box) -> Box:
    return box.map(module)


@rule(nn.Identity, nn.Dropout, nn.Dropout2d)
def same(module: nn.Module, box: Box) -> Box:
    """What changes nothing in eval mode."""
    if module.training and not isinstance(module, nn.Identity):
        raise ConfigError("bounds of dropout need eval mode: classifier.eval()")
    return box
