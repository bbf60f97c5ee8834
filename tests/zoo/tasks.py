"""Tasks beside the ten digits, made of them: three classes, a hundred, colors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from frontdef.datasets import Split

Task = Literal["digits", "three", "hundred", "color"]

PAIRS = 6000
"""Images of two digits, drawn from a split's."""


def three(split: Split, generator: torch.Generator) -> Split:
    """Zeros, ones and twos."""
    rows = (split.labels < 3).nonzero().flatten()
    return replace(split, images=split.images[rows], labels=split.labels[rows], ids=split.ids[rows])


def hundred(split: Split, generator: torch.Generator) -> Split:
    """Two digits side by side, each halved in width: the number that they spell."""
    rows = torch.randint(len(split), (2, PAIRS), generator=generator)
    left, right = (split.images[each][..., ::2] for each in rows)
    labels = 10 * split.labels[rows[0]] + split.labels[rows[1]]
    return replace(split, images=torch.cat([left, right], dim=-1), labels=labels, ids=torch.arange(PAIRS))


def color(split: Split, generator: torch.Generator) -> Split:
    """Digits in a color of their own on a ground of another: the color says nothing about the digit."""
    ink = 0.5 + 0.5 * torch.rand(len(split), 3, 1, 1, generator=generator)
    ground = 0.3 * torch.rand(len(split), 3, 1, 1, generator=generator)
    images: Tensor = ground + split.images * (ink - ground)
    return replace(split, images=images)


TASKS: Mapping[Task, Callable[[Split, torch.Generator], Split]] = {
    "digits": lambda split, generator: split,
    "three": three,
    "hundred": hundred,
    "color": color,
}
