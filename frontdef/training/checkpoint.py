"""Checkpoints: all that decides how a training goes on, so that a resumed one equals one that was never disturbed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from frontdef import weights
from frontdef.errors import StoreError
from frontdef.frontend import FrontEnd
from frontdef.whole import delete

Tensors = dict[str, Tensor]


class Checkpoint:
    """A file that a training writes after its epochs and goes on from: safetensors, whole or not at all.

    Args:
        path: Ends in ``.safetensors``.
        identity: What is trained, as JSON values; a checkpoint of something else is refused.
        every: Seconds between two writes at least; 0 writes after every epoch.
    """

    def __init__(self, path: Path, identity: Any, *, every: float = 30.0) -> None:
        self.path = path
        self.identity = identity
        self.every = every
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to write one."""
        return time.monotonic() - self._written >= self.every

    def save(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Write one in place of the last.

        Raises:
            StoreError: The folder can't be written.
        """
        weights.save_single(tensors, self.path, {"identity": self.identity, **about})
        self.skip()

    def skip(self) -> None:
        """Let this one pass; the next is due after as long as after a write."""
        self._written = time.monotonic()

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        """The last one; None where there is none.

        Raises:
            StoreError: It is damaged, or of another training.
        """
        if not self.path.is_file():
            return None
        tensors, about = weights.load_single(self.path)
        if about.get("identity") != self.identity:
            raise StoreError(
                f"the checkpoint {self.path} belongs to another training (its configuration or hash differs): delete "
                "it, and the training starts anew"
            )
        return tensors, about

    def remove(self) -> None:
        """Delete it, once what it led to is stored."""
        delete(self.path)


def random_states(front_end: FrontEnd[Any], order: torch.Generator) -> tuple[Tensors, dict[str, Any]]:
    """The states of every generator that training draws from.

    Args:
        front_end: Has generators of its own, and so has any front end inside it.
        order: Generator of the order of samples.

    Returns:
        Tensors, and JSON values.
    """
    _, keys, position, has_gauss, gauss = np.random.get_state()
    tensors = {"numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)), "torch": torch.get_rng_state()}
    tensors |= {"order": order.get_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda.{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    for name, generator in _generators(front_end).items():
        tensors[f"front_end.{name}"] = generator.get_state()
    return tensors, {"numpy": [int(position), int(has_gauss), float(gauss)]}


def restore_random_states(
    front_end: FrontEnd[Any], order: torch.Generator, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Set every generator to the states of `random_states`."""
    np.random.set_state(("MT19937", tensors["numpy"].numpy().astype(np.uint32), *about["numpy"]))
    torch.set_rng_state(tensors["torch"])
    order.set_state(tensors["order"])
    for name, state in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "cuda":
            torch.cuda.set_rng_state(state, int(rest))
        if kind == "front_end":
            index, _, device = rest.partition(".")
            _front_ends(front_end)[int(index)].generator(torch.device(device)).set_state(state)


def _front_ends(front_end: FrontEnd[Any]) -> list[FrontEnd[Any]]:
    return [module for module in front_end.modules() if isinstance(module, FrontEnd)]


def _generators(front_end: FrontEnd[Any]) -> dict[str, torch.Generator]:
    return {
        f"{index}.{device}": generator
        for index, module in enumerate(_front_ends(front_end))
        for device, generator in module._generators.items()
    }


def optimizer_state(optimizer: Optimizer, schedule: LRScheduler) -> tuple[Tensors, dict[str, Any]]:
    """What an optimizer and its schedule remember, as tensors and JSON values."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": value
        for index, values in state["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }
    rates = [{name: group[name] for name in ("lr", "initial_lr")} for group in state["param_groups"]]
    kept = {name: value for name, value in schedule.state_dict().items() if name in {"last_epoch", "_step_count"}}
    return tensors, {"rates": rates, "schedule": kept | {"_last_lr": schedule.get_last_lr()}}


def restore_optimizer(
    optimizer: Optimizer, schedule: LRScheduler, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Put an optimizer and its schedule, made anew for the same stage, where they were."""
    state = optimizer.state_dict()
    values: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        values.setdefault(int(index), {})[name] = value
    groups = [group | rates for group, rates in zip(state["param_groups"], about["rates"], strict=True)]
    optimizer.load_state_dict({"state": values, "param_groups": groups})
    schedule.load_state_dict({**schedule.state_dict(), **about["schedule"]})


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Tensors under names with a prefix."""
    return {prefix + name: value for name, value in tensors.items()}


def unprefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Those with the prefix, under their own names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def module_state(module: nn.Module) -> Tensors:
    """Weights and buffers, cloned: safetensors refuses tensors that share memory."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
