"""The linear list of a model's layers: what every analysis counts by, and where a network is cut in two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import is_parametrized

from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd, Identity

CONVOLUTION, LINEAR, BATCH_NORM, FRONT_END, OTHER = "convolution", "linear", "batch norm", "front end", "other"

KINDS: tuple[tuple[str, type[nn.Module], str], ...] = (
    (FRONT_END, FrontEnd, "front-end"),
    (CONVOLUTION, _ConvNd, "conv"),
    (BATCH_NORM, _BatchNorm, "bn"),
    (LINEAR, nn.Linear, "linear"),
    (OTHER, nn.Module, "other"),
)
"""Kind, the class by which it is known, and how its layers are called; the first that fits."""

FILTERED = (CONVOLUTION, LINEAR)
"""Kinds that apply filters: those whose weights are looked at."""

SEEN = (*FILTERED, FRONT_END)
"""Kinds whose outputs are looked at."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A place in the linear list.

    Args:
        number: The place, from 1; 0 is the model's input.
        name: Path of the module in the model, as in ``named_modules()``.
        label: What figures call it: its kind and the how-manieth of its kind it is, ``conv1``; inside a front end
            ``front-conv1``, so that the classifiers behind different front ends compare.
        kind: ``convolution``, ``linear``, ``batch norm``, ``front end`` or ``other``.
        module: The module.
    """

    number: int
    name: str
    label: str
    kind: str
    module: nn.Module

    def parameters(self) -> list[nn.Parameter]:
        """Its own weights, without those of modules inside it that are layers themselves."""
        return list(self.module.parameters(recurse=is_parametrized(self.module)))


def linear_list(model: nn.Module) -> tuple[Layer, ...]:
    """Every module that holds weights of its own, every batch norm and front end, in the order of ``named_modules()``.

    A residual network is no line; in this order a shortcut's layers follow those of its main branch (Bakiskan,
    *Structural Defense Techniques in Adversarial Machine Learning*, chapter 3.1.2.1). A front end follows what is
    inside it, and the identity is none. A module that is used twice stands once.

    Args:
        model: Any classifier.

    Raises:
        ConfigError: A model without such a module.
    """
    layers: list[Layer] = []
    counts: Counter[str] = Counter()
    for name, module, inside in _ordered(model):
        if ".parametrizations." in f".{name}." or not _is_layer(module):
            continue
        kind, short = next((kind, short) for kind, of, short in KINDS if isinstance(module, of))
        short = f"front-{short}" if inside else short
        counts[short] += 1
        layers.append(Layer(len(layers) + 1, name or "(model)", f"{short}{counts[short]}", kind, module))
    if not layers:
        raise ConfigError(
            f"{type(model).__name__} has no layer with weights, so there is nothing to analyze: give the classifier "
            "itself, an nn.Module whose submodules are its layers"
        )
    return tuple(layers)


def _ordered(model: nn.Module) -> Iterator[tuple[str, nn.Module, bool]]:
    """Named modules, a front end after what is inside it (its output comes last), and whether they are inside one."""
    waiting: list[tuple[str, nn.Module]] = []
    for name, module in model.named_modules():
        while waiting and not name.startswith(f"{waiting[-1][0]}."):
            yield *waiting.pop(), bool(waiting)
        if isinstance(module, FrontEnd):
            waiting.append((name, module))
        else:
            yield name, module, bool(waiting)
    while waiting:
        yield *waiting.pop(), bool(waiting)


def _is_layer(module: nn.Module) -> bool:
    own = next(module.parameters(recurse=is_parametrized(module)), None) is not None
    return own or isinstance(module, _BatchNorm) or (isinstance(module, FrontEnd) and not isinstance(module, Identity))


def seen(model: nn.Module) -> tuple[Layer, ...]:
    """The layers of the list whose outputs are looked at: convolutions, linear layers and front ends.

    Raises:
        ConfigError: There is neither a convolution nor a linear layer.
    """
    filtered(model)
    return tuple(layer for layer in linear_list(model) if layer.kind in SEEN)


def filtered(model: nn.Module) -> tuple[Layer, ...]:
    """The convolutions and linear layers of the list, which keep their numbers.

    Raises:
        ConfigError: There is none.
    """
    layers = tuple(layer for layer in linear_list(model) if layer.kind in FILTERED)
    if not layers:
        raise ConfigError(
            f"{type(model).__name__} has neither a convolution nor a linear layer: it has "
            f"{', '.join(sorted({type(layer.module).__name__ for layer in linear_list(model)}))}"
        )
    return layers


@contextmanager
def outputs_recorded(layers: tuple[Layer, ...]) -> Iterator[dict[int, list[Tensor]]]:
    """Record what layers put out, before any batch norm or activation that follows, in one forward pass.

    Yields:
        Number of the layer → its outputs, one a call, in the order of the calls. Clear it before the next pass.
    """
    outputs: dict[int, list[Tensor]] = {layer.number: [] for layer in layers}
    handles = [layer.module.register_forward_hook(_recorder(outputs[layer.number])) for layer in layers]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _recorder(into: list[Tensor]):  # type: ignore[no-untyped-def]
    def record(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        into.append(output.detach())

    return record


def input_shapes(model: nn.Module, layers: tuple[Layer, ...], images: Tensor) -> dict[int, tuple[int, ...]]:
    """Shapes ``(C,H,W)`` or ``(D,)`` of what layers read, without the batch; of the first call where there are several.

    Args:
        model: In eval mode.
        layers: Its layers; one that is never called has no entry.
        images: At least one image ``(N,C,H,W)``.
    """
    import torch

    shapes: dict[int, tuple[int, ...]] = {}

    def recorder(number: int):  # type: ignore[no-untyped-def]
        def record(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            shapes.setdefault(number, tuple(inputs[0].shape[1:]))

        return record

    handles = [layer.module.register_forward_pre_hook(recorder(layer.number)) for layer in layers]
    try:
        with torch.no_grad():
            model(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    return shapes
