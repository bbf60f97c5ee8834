"""A user's model as frontdef sees it: images in [0,1] in, logits out, whatever the module inside reads and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from frontdef.errors import FrontdefError, ModelError
from frontdef.zoo import Normalization

Channels = Literal["rgb", "bgr"]

PIXELS = 1_500_000
"""How many values go through a model at once where it is only asked: nine images of 224×224, 128 of CIFAR-10."""


@dataclass(frozen=True)
class Reading:
    """How a module reads images in [0,1], and which of its outputs counts.

    Args:
        normalize: Subtracted and divided after scaling; None leaves the images as they are.
        input_range: What 0 and 1 become.
        channels: The order in which the module reads the channels.
        output: Attribute, key or index of the logits in what the module returns; None where it returns them alone.
        class_order: Logit k is of the data set's class ``class_order[k]``; None where it is k.
    """

    normalize: Normalization | None = None
    input_range: tuple[float, float] = (0.0, 1.0)
    channels: Channels = "rgb"
    output: str | int | None = None
    class_order: tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "normalize": None if self.normalize is None else self.normalize.model_dump(mode="json"),
            "input_range": list(self.input_range),
            "channels": self.channels,
            "output": self.output,
            "class_order": None if self.class_order is None else list(self.class_order),
        }


class UserClassifier(nn.Module):
    """A user's module between what frontdef gives and what it expects.

    Args:
        body: The module.
        reading: How it reads images, and which output counts.
        name: What messages call it.

    Raises:
        ModelError: A range or an order of classes that makes no sense.
    """

    mean: Tensor | None
    std: Tensor | None
    columns: Tensor | None

    def __init__(self, body: nn.Module, reading: Reading = Reading(), *, name: str = "the model") -> None:
        super().__init__()
        self.name, self.reading = name, reading
        low, high = reading.input_range
        if not low < high:
            raise ModelError(f"{name}: input_range = [{low:g}, {high:g}] is empty; it reads [0, 1], [0, 255], [-1, 1]")
        order = reading.class_order
        if order is not None and sorted(order) != list(range(len(order))):
            raise ModelError(f"{name}: class_order holds each class from 0 to {len(order) - 1} once, got {list(order)}")
        self.copies = False
        moments = reading.normalize
        self.register_buffer("mean", None if moments is None else _column(moments.mean), persistent=False)
        self.register_buffer("std", None if moments is None else _column(moments.std), persistent=False)
        self.register_buffer("columns", None if order is None else torch.tensor(order).argsort(), persistent=False)
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 ``(N,K)``, of float32 images ``(N,C,H,W)`` in [0,1].

        Raises:
            ModelError: A normalization for another number of channels, or an output that holds no logits.
        """
        low, high = self.reading.input_range
        original = x
        if self.reading.channels == "bgr":
            x = x.flip(1)
        if (low, high) != (0.0, 1.0):
            x = low + x * (high - low)
        if self.mean is not None and self.std is not None:
            if len(self.mean) not in {1, x.shape[1]}:
                raise ModelError(
                    f"{self.name}: normalize is of {len(self.mean)} channels, the images have {x.shape[1]}: one "
                    "number, "
                    "or one a channel"
                )
            x = (x - self.mean) / self.std
        if self.copies and x is original:
            x = x.clone()
        logits = self._logits(self.body(x))
        if self.columns is None:
            return logits
        if len(self.columns) != logits.shape[1]:
            raise ModelError(
                f"{self.name} gives {logits.shape[1]} logits, class_order has {len(self.columns)} entries: one a logit"
            )
        return logits[:, self.columns]

    def train(self, mode: bool = True) -> UserClassifier:
        """Set the mode; eval mode reaches modules, too, whose own ``train`` or ``eval`` does not pass it on."""
        super().train(mode)
        if not mode:
            for module in self.modules():
                module.training = False
        return self

    def protect_input(self) -> None:
        """Give the module copies from now on, because it changes its input in place."""
        self.copies = True

    def with_reading(self, reading: Reading) -> UserClassifier:
        """The same module, shared, read in another way."""
        view = UserClassifier(self.body, reading, name=self.name)
        view.copies = self.copies
        like = next((tensor for tensor in (*self.body.parameters(), *self.body.buffers())), None)
        return (view if like is None else view.to(like.device)).train(self.training)

    def _logits(self, returned: Any) -> Tensor:
        logits = _pick(returned, self.reading.output, self.name)
        if logits.ndim != 2:
            raise ModelError(
                f"{self.name} gives an output of shape {tuple(logits.shape)}, logits are (N, classes)"
                + (". A single logit can't be attacked as a classifier: give (N,2)" if logits.ndim == 1 else "")
            )
        if not logits.is_floating_point():
            raise ModelError(f"{self.name} gives {logits.dtype}, logits are floating point: labels are no logits")
        return logits.float()


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)


def _pick(returned: Any, output: str | int | None, name: str) -> Tensor:
    if output is None:
        if isinstance(returned, Tensor):
            return returned
        options = _candidates(returned)
        mend = (
            f"Mend: output = {options[0]!r}, on the command line --output {options[0]}"
            if options
            else "Mend: a function that returns the logits alone"
        )
        listed = f" with {', '.join(map(str, options))}" if options else ""
        raise ModelError(f"{name} returns a {type(returned).__name__}{listed}, not a tensor of logits. {mend}")
    if isinstance(returned, Tensor):
        raise ModelError(f"{name} returns a tensor already: leave output = {output!r} out")
    try:
        by_key = isinstance(returned, Mapping) or isinstance(output, int)
        value = returned[output] if by_key else getattr(returned, str(output))
    except (AttributeError, KeyError, IndexError, TypeError):
        there = ", ".join(map(str, _candidates(returned))) or "no tensor"
        raise ModelError(f"{name} returns a {type(returned).__name__} without {output!r}. It has {there}") from None
    if not isinstance(value, Tensor):
        raise ModelError(f"{name}: {output!r} of what it returns is a {type(value).__name__}, not a tensor of logits")
    return value


def _candidates(returned: Any) -> list[str | int]:
    """Keys, indices or attributes under which tensors of two axes lie."""
    if isinstance(returned, Mapping):
        pairs: list[tuple[Any, Any]] = list(returned.items())
    elif isinstance(returned, tuple | list):
        names = getattr(returned, "_fields", range(len(returned)))
        pairs = list(zip(names, returned, strict=False))
    else:
        pairs = list(getattr(returned, "__dict__", {}).items())
    return [cast("str | int", key) for key, value in pairs if isinstance(value, Tensor) and value.ndim == 2]


def batches(images: Tensor) -> tuple[Tensor, ...]:
    """Images in batches of at most 128, fewer where they are large, so that a pass needs little memory.

    Args:
        images: ``(N,C,H,W)``.
    """
    size = max(2, min(128, PIXELS // max(1, images[0].numel())))
    return cast("tuple[Tensor, ...]", images.split(size))


def first_pass(model: UserClassifier, images: Tensor) -> Tensor:
    """Logits of a few images, with errors that say what a foreign module could not do.

    Args:
        model: In eval mode.
        images: float32 ``(N,C,H,W)`` in [0,1].

    Raises:
        ModelError: It raised, or gave no logits.
    """
    try:
        with torch.no_grad():
            return cast(Tensor, model(images))
    except FrontdefError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{model.name} raised {type(error).__name__} on images {tuple(images.shape)}: "
            f"{said}{_channels_hint(model, images)}"
        ) from None


def _channels_hint(model: UserClassifier, images: Tensor) -> str:
    first = next((module for module in model.body.modules() if isinstance(module, nn.Conv2d)), None)
    if first is not None and first.in_channels != images.shape[1]:
        return (
            f". Its first convolution reads {first.in_channels} channels, the images have {images.shape[1]}: another "
            "data "
            "set, or other arguments"
        )
    return ". Does it read images of another size? See the shapes of the data sets: `frontdef ls datasets`"
