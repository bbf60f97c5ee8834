"""Preparing a front end, and what it puts out, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from frontdef.frontend import FrontEnd
from frontdef.memory import at_once


@contextmanager
def seeded(seed: int, front_end: FrontEnd[Any]) -> Iterator[None]:
    """Seed numpy's and torch's global generators and the front end's own; restore the global ones afterwards.

    Args:
        seed: For all of them.
        front_end: Draws from its own generator.
    """
    numpy_state = np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        front_end.reseed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)


def prepare(front_end: FrontEnd[Any], images: Tensor, *, seed: int, device: torch.device | str = "cpu") -> None:
    """Fit a front end to images without labels (its dictionary, its autoencoder), where it has anything to fit.

    Args:
        front_end: The front end; on the device and in eval mode afterwards.
        images: float32 ``(N,C,H,W)`` in [0,1].
        seed: Of everything random in it.
        device: Where to fit; front end and images are brought there.
    """
    front_end.to(device).eval()
    with torch.enable_grad(), seeded(seed, front_end):
        front_end.fit(images.to(device))
    front_end.eval()


def outputs(front_end: FrontEnd[Any], images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """What the front end puts out, batch by batch, on the CPU and without gradients."""
    with torch.no_grad():
        for x in torch.split(images, at_once(images.shape[1:])):
            yield front_end(x.to(device)).cpu()


def moments(batches: Iterator[Tensor]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel (dimension 1), in float64; a constant channel gets 1.

    Args:
        batches: ``(N,C,…)``, at least one.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        values = batch.double().transpose(0, 1).flatten(1)
        count += values.shape[1]
        total = total + values.sum(1)
        squares = squares + values.square().sum(1)
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    return mean.tolist(), torch.where(std > 1e-6, std, 1.0).tolist()
