"""The rows of a model that is at hand as an object, for as long as it is borrowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import nn

from frontdef.errors import ImageError
from frontdef.matrix.entries import DefenseEntry
from frontdef.matrix.rows import Lineup, own_rows
from frontdef.models.live import adopt, restored
from frontdef.models.own import BroughtModel
from frontdef.models.wrapped import Reading
from frontdef.runs.plan import Held

SAMPLES = "samples"
"""What the samples are called that are given with a call."""


@contextmanager
def lined_up(
    model: nn.Module | Callable[..., Any],
    held: Held,
    entries: Iterable[DefenseEntry],
    *,
    name: str,
    reading: Reading | None = None,
    clean_accuracy: float | None = None,
    device: str = "cpu",
    seed: int = 0,
    every: bool = False,
) -> Iterator[Lineup]:
    """Front ends before a model, which is in eval mode and frozen meanwhile and as it was afterwards.

    Args:
        model: An ``nn.Module``, a `Protected`, or a function ``x -> logits``.
        held: The samples.
        entries: The front ends.
        name: What tables call the model.
        reading: How it reads images, if not as they are.
        clean_accuracy: What its owner states; None states nothing.
        device: ``cpu`` or ``cuda``.
        seed: Of the front ends' preparation.
        every: Whether a defense that does not fit is noted; otherwise it is refused.

    Raises:
        ModelError: No model, one in half precision or on another device, or one that does not read the images.
        ConfigError: A defense that is named and does not fit.
        ImageError: Labels that are other names than the model has outputs.
    """
    user = adopt(model, held.split.images, name=name, reading=reading, device=device)
    _require_names(held.split.classes, user.n_classes)
    with restored(model) if isinstance(model, nn.Module) else nullcontext():
        user.module.eval().requires_grad_(False)
        lineup = Lineup(brought=[BroughtModel(user, SAMPLES, None, clean_accuracy)])
        lineup.rows += own_rows(
            user, entries, lineup,
            dataset=SAMPLES, data=held.key, image_shape=held.image_shape, trainable=False, seed=seed, every=every,
        )  # fmt: skip
        yield lineup


def _require_names(names: tuple[str, ...], outputs: int | None) -> None:
    """Refuse labels whose names do not say which output each is: numbered as they occur they'd count as wrong."""
    if names and len(names) != outputs:
        raise ImageError(
            f"the labels have {len(names)} names ({', '.join(names[:5])}{', …' * (len(names) > 5)}), the model has "
            f"{outputs} outputs, so which output a name stands for is not known. Give labels as indices, or "
            "evaluate(model, {'x': x, 'y': y, 'classes': [every name, in the order of the model's outputs]})"
        )
