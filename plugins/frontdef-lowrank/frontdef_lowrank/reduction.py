"""Low-rank versions of trained networks: any torch module, before or after any front end."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import nn
from torch.nn.utils import parametrize

from frontdef.errors import ConfigError, UnknownNameError
from frontdef_lowrank.svd import attenuate

How = Literal["scale", "zero"]
Layers = Literal["all", "linear", "conv"]

KINDS: dict[str, tuple[type[nn.Module], ...]] = {
    "linear": (nn.Linear,),
    "conv": (nn.Conv1d, nn.Conv2d, nn.Conv3d),
    "all": (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
}
"""Which layers a choice of `Layers` means."""


def reducible(network: nn.Module, layers: str = "all") -> Iterator[tuple[str, nn.Module]]:
    """The layers whose weights are reduced, with their names; of layers that share a weight, the first.

    Args:
        network: Any module.
        layers: ``linear``, ``conv`` or ``all``.

    Raises:
        UnknownNameError: Another choice of layers.
    """
    if layers not in KINDS:
        raise UnknownNameError("choice of layers", layers, KINDS)
    return _reducible(network, KINDS[layers])


def _reducible(network: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[tuple[str, nn.Module]]:
    seen: set[int] = set()
    for name, module in network.named_modules():
        if isinstance(module, kinds) and id(module.weight) not in seen:
            seen.add(id(module.weight))
            yield name, module


def reduce_in_place(
    network: nn.Module, *, share: float = 0.4, how: How = "scale", factor: float = 0.1, layers: Layers = "all"
) -> int:
    """Zero or scale the bottom singular values of every layer of a network.

    Args:
        network: Any module; its weights are changed.
        share: The bottom share of each layer's singular values, in [0,1].
        how: ``zero``, or ``scale`` by the factor.
        factor: What they are multiplied by when scaled, in [0,1].
        layers: Which layers: ``linear``, ``conv`` or ``all``.

    Returns:
        How many layers there are.

    Raises:
        ConfigError: A share or factor outside [0,1], a parametrized layer, or weights that are not finite.
        UnknownNameError: Another choice of ``how`` or of layers.
    """
    _check(share, how, factor)
    chosen = list(reducible(network, layers))
    for name, layer in chosen:
        if parametrize.is_parametrized(layer, "weight"):
            raise ConfigError(
                f"the weight of layer {name or '(whole)'!r} is parametrized, so it can't be replaced. Mend: "
                "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') first"
            )
    for _, layer in chosen:
        assert isinstance(layer.weight, torch.Tensor)
        with torch.no_grad():
            layer.weight.copy_(attenuate(layer.weight, share, 0.0 if how == "zero" else factor))
    return len(chosen)


def reduce(
    network: nn.Module, *, share: float = 0.4, how: How = "scale", factor: float = 0.1, layers: Layers = "all"
) -> nn.Module:
    """A low-rank version of a trained network (Cocola and Rabindranath, section 2.2); the original stays as it is.

    Args:
        network: Any module with linear or convolutional layers.
        share: The bottom share of each layer's singular values, in [0,1]; the report finds 0.4 the most interesting.
        how: ``zero``, or ``scale`` by the factor.
        factor: What they are multiplied by when scaled, in [0,1]. The report says "by a factor of 10" in section 2.2
            (0.1) and "scaled down by 10%" in section 3.6 (0.9).
        layers: Which layers: ``linear`` as in the report, ``conv`` or ``all``.

    Returns:
        A deep copy with other weights.

    Raises:
        ConfigError: No layer of the kind, a share or factor outside [0,1], a parametrized layer, or weights that are
            not finite.
        UnknownNameError: Another choice of ``how`` or of layers.
    """
    reduced = copy.deepcopy(network)
    if reduce_in_place(reduced, share=share, how=how, factor=factor, layers=layers) == 0:
        raise ConfigError(
            f"{type(network).__name__} has no layer to reduce among layers={layers!r}: linear layers are nn.Linear, "
            "convolutions nn.Conv1d, Conv2d and Conv3d"
        )
    return reduced


def _check(share: float, how: str, factor: float) -> None:
    if how not in get_args(How):
        raise UnknownNameError("way to reduce", how, get_args(How))
    for name, value in {"share": share, "factor": factor}.items():
        if not 0 <= value <= 1:
            percent = f"; {value:g} % is {value / 100:g}" if 1 < value <= 100 else ""
            raise ConfigError(f"{name} is in [0,1], got {value!r}{percent}")
