"""A user's labels: names are numbered, and what each number means is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from frontdef.errors import ConfigError, ImageError, UnknownNameError


def number_labels(labels: Any, classes: Sequence[str] | None = None) -> tuple[Any, tuple[str, ...]]:
    """Number labels that are names, and leave class indices as they are.

    Args:
        labels: An array, tensor or list.
        classes: The names in the order of the model's outputs; None sorts those that occur.

    Returns:
        The labels, int64 where they were names, and the names in the order of the indices: ``classes``, those that
        occur, or none.

    Raises:
        ConfigError: A name twice in ``classes``.
        ImageError: Numbers written as text, whose alphabetical order is not theirs.
        UnknownNameError: A label that ``classes`` lacks.
    """
    names = () if classes is None else tuple(map(str, classes))
    if len(set(names)) != len(names):
        raise ConfigError(
            f"{len(names)} classes of {len(set(names))} names: each name stands once, in the model's order"
        )
    texts = _texts(labels)
    if texts is None:
        return labels, names
    if not names:
        if all(text.strip().lstrip("+-").isdigit() for text in texts):
            raise ImageError(
                f"labels are numbers written as text ({texts[0]!r}): use labels.astype(int), or say in classes=[…] "
                "which index each of them has"
            )
        names = tuple(sorted(set(texts)))
    index = {name: i for i, name in enumerate(names)}
    for text in texts:
        if text not in index:
            raise UnknownNameError("class", text, names)
    return torch.tensor([index[text] for text in texts], dtype=torch.int64), names


def _texts(labels: Any) -> list[str] | None:
    """The labels as text, or None where they are no names."""
    if isinstance(labels, Tensor):
        return None
    try:
        array = np.asarray(labels)
    except (ValueError, TypeError, RuntimeError):
        return None
    if array.ndim != 1 or not len(array):
        return None
    values = array.tolist()
    if array.dtype.kind == "S":
        return [value.decode("utf-8", "replace") for value in values]
    return values if array.dtype.kind in "UO" and all(isinstance(value, str) for value in values) else None
