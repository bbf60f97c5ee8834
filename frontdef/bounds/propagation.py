"""Boxes through a whole network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.bounds.box import TINY, Box, rounding
from frontdef.bounds.rules import Rule, find, linear, normalization, runs_as, same
from frontdef.classifiers.network import Network
from frontdef.errors import ConfigError


@torch.no_grad()
def propagate(module: nn.Module, low: Tensor, high: Tensor) -> Box:
    """Bound the output of a module for every input between two bounds.

    Args:
        module: In eval mode.
        low: Lower bounds of its input, ``(N,…)``.
        high: Upper bounds, likewise.

    Raises:
        ConfigError: A module, or one inside it, without a rule; bounds that are not finite, or out of order.
    """
    return _run(list(_steps(module)), _box(low, high))


@torch.no_grad()
def margins(classifier: nn.Module, low: Tensor, high: Tensor, labels: Tensor) -> Tensor:
    """The least by which a label's logit exceeds every other one, bounded from below.

    Where the last layer is linear, it is bounded for differences of logits: what both have in common cancels, so this
    is tighter than the difference of their intervals (Gowal et al. 2018, arXiv:1810.12715, section 3).

    Args:
        classifier: Gives logits ``(N,K)``, in eval mode.
        low: Lower bounds of its input, ``(N,…)``.
        high: Upper bounds, likewise.
        labels: int64 ``(N,)``.

    Returns:
        float64 ``(N,)``. Positive: no input between the bounds is classified otherwise.

    Raises:
        ConfigError: As in `propagate`.
    """
    steps = list(_steps(classifier))
    while steps and steps[-1][0] is same:
        steps.pop()
    last = steps[-1][1] if steps and steps[-1][0] is linear else None
    if isinstance(last, nn.Linear):
        differences = _differences(last, _run(steps[:-1], _box(low, high)), labels)
    else:
        logits = _run(steps, _box(low, high))
        differences = logits.low.gather(1, labels[:, None]) - logits.high
    return differences.scatter(1, labels[:, None], torch.inf).amin(1)


def certified(classifier: nn.Module, low: Tensor, high: Tensor, labels: Tensor) -> Tensor:
    """Which samples keep their label for every input between two bounds; bool ``(N,)``. Arguments as in `margins`."""
    return margins(classifier, low, high, labels) > 0


def supports(module: nn.Module) -> bool:
    """Whether every module inside has a rule."""
    try:
        list(_steps(module))
    except ConfigError:
        return False
    return True


def _box(low: Tensor, high: Tensor) -> Box:
    if not bool((low <= high).all() & low.isfinite().all() & high.isfinite().all()):
        raise ConfigError("bounds are finite, and a lower one never exceeds the upper one")
    return Box(low.double(), high.double())


def _run(steps: list[tuple[Rule, nn.Module]], box: Box) -> Box:
    for function, module in steps:
        box = function(module, box)
    return box


def _steps(module: nn.Module) -> Iterator[tuple[Rule, nn.Module]]:
    """The rules to apply, one after the other, each with its module."""
    if isinstance(module, nn.Sequential) and runs_as(module, nn.Sequential):
        for child in module:
            yield from _steps(child)
    elif isinstance(module, Network) and runs_as(module, Network):
        yield normalization, module
        yield from _steps(module.body)
    else:
        yield find(module), module


def _differences(last: nn.Linear, box: Box, labels: Tensor) -> Tensor:
    """Lower bounds of ``logit[label] − logit[k]``, ``(N,K)``: the last layer's rows subtracted before it is applied."""
    weight = last.weight.double()
    bias = weight.new_zeros(len(weight)) if last.bias is None else last.bias.double()
    middle = F.linear(box.middle, weight, bias)
    error = rounding(last.in_features + 1) * F.linear(box.magnitude, weight.abs(), bias.abs())
    error = error + (last.in_features + 1) * TINY
    bounds = torch.empty_like(middle)
    for label in labels.unique().tolist():
        rows = labels == label
        spread = F.linear(box.radius[rows], (weight[label] - weight).abs())
        doubt = error[rows, label, None] + error[rows]
        bounds[rows] = middle[rows, label, None] - middle[rows] - spread - doubt
    return bounds
