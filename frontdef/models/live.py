"""Models that are live objects: keyed by what they hold, run as they are, given back as they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import nn

from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.models.load import Means, load_model
from frontdef.protected import Protected

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False)
class LiveModel:
    """A module that is at hand.

    Args:
        name: What it is called.
        module: A classifier, images in [0,1] to logits, or a `Protected`.
        dataset: Name of the samples that it is about.
    """

    name: str
    module: nn.Module
    dataset: str

    @cached_property
    def _key(self) -> str:
        digest = hashlib.sha256(repr(self.module).encode())
        for name, value in sorted(self.module.state_dict().items()):
            tensor = torch.as_tensor(value).detach().cpu().contiguous()
            digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode() + tensor.numpy().tobytes())
        return digest.hexdigest()[:24]

    def key(self) -> str:
        """Hash of its structure, weights and buffers, taken once."""
        return self._key

    def __str__(self) -> str:
        return self.name


@load_model.register(LiveModel)
def _live(
    request: LiveModel, means: Means, progress: Callable[[int, int, float, float], None] | None = None
) -> Protected:
    """As it is; no copy."""
    return protected_of(request.module)


def protected_of(module: nn.Module) -> Protected:
    """A module as a `Protected`, in eval mode and frozen."""
    return module if isinstance(module, Protected) else Protected(Identity(Config()), module)


@contextmanager
def borrowed(module: nn.Module) -> Iterator[Protected]:
    """A module as a `Protected`, in eval mode and frozen; modes and flags come back afterwards."""
    modes = {inner: inner.training for inner in module.modules()}
    flags = {parameter: parameter.requires_grad for parameter in module.parameters()}
    try:
        yield protected_of(module)
    finally:
        for inner, training in modes.items():
            inner.training = training
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)
