"""Models that are at hand as objects: borrowed without a trace, and told apart by what they are."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from frontdef.config import Config
from frontdef.errors import ModelError
from frontdef.frontend import Identity
from frontdef.images import as_images
from frontdef.models.digest import answers_digest, code_digest, state_digest
from frontdef.models.notes import Note
from frontdef.models.sources import UserModel, has_gradient, hooks, no_gradient, require_finite, stubborn, try_on
from frontdef.models.wrapped import Reading, UserClassifier
from frontdef.protected import Protected

INPUTS = 8
"""How many of the user's images, and how many of noise, a live model is identified by."""


@contextmanager
def restored(module: nn.Module) -> Iterator[None]:
    """Give a module's modes and its parameters' flags and gradients back afterwards."""
    modes = {child: child.training for child in module.modules()}
    flags = {parameter: (parameter.requires_grad, parameter.grad) for parameter in module.parameters()}
    try:
        yield
    finally:
        for child, training in modes.items():
            child.training = training
        for parameter, (flag, gradient) in flags.items():
            parameter.requires_grad_(flag)
            parameter.grad = gradient


@contextmanager
def borrowed(model: nn.Module) -> Iterator[Protected]:
    """A model as a `Protected`, in eval mode and frozen; modes and flags come back afterwards."""
    with restored(model):
        if isinstance(model, Protected):
            yield model.eval().requires_grad_(False)
        else:
            yield Protected(Identity(Config()), model)


def adopt(
    model: nn.Module | Callable[[Tensor], Any],
    images: Any,
    *,
    name: str = "model",
    reading: Reading | None = None,
    n_classes: int | None = None,
    device: torch.device | str = "cpu",
) -> UserModel:
    """Take a model that its owner holds: it is left as it is, mode, flags and values.

    Args:
        model: An ``nn.Module``, a `Protected`, or a function ``x -> logits``, of images in [0,1].
        images: Some of the images that it is to be attacked on, ``(N,C,H,W)`` in [0,1]; they are part of its identity.
        name: What tables call it.
        reading: How it reads images, if not as they are.
        n_classes: Number of classes of the labels; another number of logits is refused.
        device: Where it is to be attacked.

    Returns:
        Its module is not yet in eval mode and not frozen: use it within `borrowed`.

    Raises:
        ModelError: No model, one in half precision or on another device, or one that does not read the images.
        ImageError: Images that break the contract.
    """
    what, device, reading = f"model {name!r}", torch.device(device), reading or Reading()
    if isinstance(model, nn.Module):
        _require_place(model, device, what)
        require_finite(model, what)
        body: nn.Module = model
    elif callable(model):
        body = Function(model, what)
    else:
        raise ModelError(
            f"{what} is a {type(model).__name__}; a model is an nn.Module, a Protected or a function x -> logits"
        )
    module: nn.Module = UserClassifier(body, reading, name=what)
    x = as_images(images)[:INPUTS].to(device)
    notes: list[Note] = []
    with restored(module):
        if isinstance(model, nn.Module):
            model.eval()
            notes = [*stubborn(model, what), *hooks(model, what)]
        module.eval().requires_grad_(False)
        assert isinstance(module, UserClassifier)
        classes, tried = try_on(module, x.clone(), n_classes, "")
        notes += tried
        differentiable = has_gradient(module, x[:1])
        identity = identity_of_live(model, module, x)
    notes += no_gradient(differentiable, what)
    if isinstance(model, Protected) and reading == Reading() and not module.copies:
        module = model
    identity = {**identity, "reading": reading.to_dict(), "torch": importlib.metadata.version("torch")}
    return UserModel(name, module, identity, tuple(notes), classes, None, differentiable)


class Function(nn.Module):
    """A function ``x -> logits`` as a module; what it computes with is not seen, so nothing of it can be frozen.

    Args:
        function: Takes a tensor ``(N,C,H,W)``; gives a tensor or an array ``(N,K)``.
        name: What messages call it.
    """

    def __init__(self, function: Callable[[Tensor], Any], name: str) -> None:
        super().__init__()
        self._function, self._name = function, name

    def forward(self, x: Tensor) -> Any:
        """What the function gives; arrays become tensors on the device of ``x``."""
        returned = self._function(x)
        return torch.from_numpy(returned).to(x.device) if isinstance(returned, np.ndarray) else returned


def identity_of_live(model: Any, predict: Callable[[Tensor], Tensor], images: Tensor) -> dict[str, Any]:
    """What tells a live model from any other: its tensors, its code, and its answers to fixed inputs.

    Args:
        model: The object that its owner holds.
        predict: The same as a function of images; in eval mode.
        images: Images of its owner's, ``(N,C,H,W)``; as many of noise, the same for a shape, are asked as well.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(images.shape, generator=generator).to(images)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(0)
        if isinstance(model, Protected):
            model.front_end.reseed(0)
        answers = answers_digest(predict, torch.cat([images, noise]))
    return {
        "source": "live",
        "state": state_digest(model) if isinstance(model, nn.Module) else "",
        "code": {"digest": code_digest(model)},
        "answers": answers,
    }


def _require_place(model: nn.Module, device: torch.device, what: str) -> None:
    tensors: Mapping[str, Tensor] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    places = sorted({str(tensor.device) for tensor in tensors.values()})
    if len(places) > 1:
        raise ModelError(f"{what} lies on {' and '.join(places)}. Mend: model.to({places[0]!r})")
    if places and places[0] != "meta" and torch.device(places[0]).type != device.type:
        raise ModelError(
            f"{what} is on {places[0]}, {device} is asked for. Mend: device={places[0]!r}, or model.to({str(device)!r})"
        )
    halves = sorted(name for name, tensor in tensors.items() if tensor.dtype in {torch.float16, torch.bfloat16})
    if halves:
        kind = str(tensors[halves[0]].dtype).removeprefix("torch.")
        raise ModelError(
            f"{what} is in half precision ({halves[0]} is {kind}): its gradients underflow, and attacks would look "
            "weak. "
            "Mend: model.float()"
        )
    doubles = next((name for name, tensor in model.named_parameters() if tensor.dtype == torch.float64), None)
    if doubles:
        raise ModelError(f"{what} is in float64 ({doubles}), images are float32. Mend: model.float()")
