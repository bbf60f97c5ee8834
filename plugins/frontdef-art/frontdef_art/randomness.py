"""ART draws from numpy's global generator: seeded here from the front end's own, and restored after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def draw_seed(generator: torch.Generator) -> int:
    """The next seed for numpy, from 0 to 2^32 − 1.

    Args:
        generator: A generator on the CPU; it advances by one draw.
    """
    return int(torch.randint(2**32, (), generator=generator))


@contextmanager
def numpy_seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator inside, restore its state after, also after an error.

    Args:
        seed: From 0 to 2^32 − 1.
    """
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
