"""What every convolution of a network reads, found by hooks: no network has to be written for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from frontdef import Protected
from frontdef.errors import ConfigError


@contextmanager
def _recorded(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    inputs: dict[str, Tensor] = {}
    calls: Counter[str] = Counter()

    def hook_for(path: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            calls[path] += 1
            again = f"#{calls[path]}" if calls[path] > 1 else ""
            inputs[f"{len(inputs) + 1:02d} {path}{again}"] = args[0].detach()

        return hook

    convolutions = [(path, module) for path, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise ConfigError(
            "the model has no torch.nn.Conv2d, and this metric looks at what convolutions read: choose a classifier or "
            "defense with convolutions (`frontdef ls classifiers`)"
        )
    handles = [module.register_forward_pre_hook(hook_for(path)) for path, module in convolutions]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


def conv_inputs(protected: Protected, x: Tensor, seed: int) -> dict[str, Tensor]:
    """What each `torch.nn.Conv2d` reads, in the order of the calls.

    A randomized front end starts from the seed, so that two calls see the same draws. Passes are not counted.

    Args:
        protected: The network.
        x: Images ``(N,C,H,W)``, all in one pass.
        seed: Of a randomized front end.

    Returns:
        ``"01 path.of.the.module"`` → input ``(N,C,H,W)``; a convolution that is called again gets ``#2`` and so on.

    Raises:
        ConfigError: A network without any.
    """
    # Not `predict`: it refuses values outside [0,1], which unclipped noise has.
    counted = (protected.passes.forward, protected.passes.backward)
    protected.front_end.reseed(seed)
    with torch.no_grad(), _recorded(protected) as inputs:
        protected(x.to(protected.device))
    protected.passes.forward, protected.passes.backward = counted
    return inputs
