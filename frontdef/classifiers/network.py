"""What every classifier has in common: a check of its input's shape, and normalization as a layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from frontdef.errors import ConfigError


class Network(nn.Module):
    """A classifier: checks its input's shape, normalizes it, and hands it to its body.

    The body's convolutions hold their weights channels-last, in which torch's kernels are faster
    (``benchmarks/speed/layout.py``), unless it can't read what they give then: ``view`` can't, ``nn.Flatten`` and
    ``reshape`` can. Shapes are ``(N,C,H,W)`` as ever.

    Args:
        name: Id of the classifier, for messages.
        body: Turns ``(N,*in_shape)`` into logits ``(N,n_classes)``.
        in_shape: ``(C,H,W)`` or ``(D,)``.
        n_classes: Number of logits.
        mean: Subtracted, one number or one a channel; 0 if absent.
        std: Divided by, likewise; 1 if absent.

    Raises:
        ConfigError: Fewer than two classes, or a mean or standard deviation that does not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        body: nn.Module,
        in_shape: tuple[int, ...],
        n_classes: int,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if n_classes < 2:
            raise ConfigError(f"a classifier tells at least 2 classes apart, got n_classes={n_classes}")
        self.name = name
        self.in_shape = in_shape
        self.n_classes = n_classes
        self.register_buffer("mean", _per_channel("mean", 0.0 if mean is None else mean, in_shape))
        self.register_buffer("std", _per_channel("std", 1.0 if std is None else std, in_shape))
        if not bool((self.std > 0).all()):
            raise ConfigError(f"{name}: std must be positive in every channel, got {std!r}")
        self.body = _channels_last(body, in_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,n_classes)`` of ``(N,*in_shape)``.

        Raises:
            ConfigError: Another shape than the one it was built for.
        """
        if tuple(x.shape[1:]) != self.in_shape:
            raise ConfigError(
                f"classifier {self.name!r} was built for inputs (N,{','.join(map(str, self.in_shape))}), it is given "
                f"{tuple(x.shape)}: build it for the shape of what the front end puts out"
            )
        return cast(Tensor, self.body((x - self.mean) / self.std))


def _channels_last(body: nn.Module, in_shape: tuple[int, ...]) -> nn.Module:
    """The body, its weights channels-last where two images pass through it then."""
    modes = {module: module.training for module in body.modules()}
    try:
        with torch.no_grad():
            body.to(memory_format=torch.channels_last).eval()(torch.zeros(2, *in_shape))
    except Exception:  # whatever it is, it is the body's to say where it is used
        body.to(memory_format=torch.contiguous_format)
    finally:
        for module, training in modes.items():
            module.training = training
    return body


def _per_channel(what: str, value: float | Sequence[float], in_shape: tuple[int, ...]) -> Tensor:
    tensor = torch.as_tensor(value, dtype=torch.float32).flatten()
    if len(tensor) not in {1, in_shape[0]} or not bool(tensor.isfinite().all()):
        raise ConfigError(f"{what} is one finite number or one for each of {in_shape[0]} channels, got {value!r}")
    return tensor.expand(in_shape[0]).clone().view(-1, *[1] * (len(in_shape) - 1))


def check_image_shape(name: str, in_shape: tuple[int, ...], smallest: int) -> tuple[int, int, int]:
    """Return ``(C,H,W)`` if a convolutional classifier can read it.

    Args:
        name: Id of the classifier.
        in_shape: What it is asked to read.
        smallest: Least height and width.

    Raises:
        ConfigError: No ``(C,H,W)``, no channel, or smaller.
    """
    if len(in_shape) != 3:
        raise ConfigError(
            f"classifier {name!r} reads images (C,H,W), got the shape {in_shape}; 'fc2' reads inputs of any shape"
        )
    channels, height, width = in_shape
    if channels < 1 or min(height, width) < smallest:
        raise ConfigError(
            f"classifier {name!r} needs at least 1 channel and {smallest}x{smallest} pixels, got {channels} channel(s) "
            f"of {height}x{width}"
        )
    return channels, height, width


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators, and restore them afterwards.

    Args:
        seed: For all devices.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
