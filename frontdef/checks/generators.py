"""Where the global generators of random numbers stand, to find out who drew from them."""

from __future__ import annotations

import random

import numpy as np
import torch


def global_states() -> dict[str, object]:
    """The states of Python's, numpy's and torch's global generators, which compare by value.

    Of numpy's, the place among its numbers belongs to it: in a few draws that alone moves.
    """
    kind, numbers, *place = np.random.get_state()
    return {
        "random": random.getstate(),
        "numpy": (kind, np.asarray(numbers).tolist(), place),
        "torch": torch.get_rng_state().tolist(),
    }
