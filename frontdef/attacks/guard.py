"""What surrounds every attack: seeded global generators and a model that comes back as it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from frontdef.protected import Protected


@contextmanager
def isolated(protected: Protected, seed: int) -> Iterator[None]:
    """Seed numpy's and torch's global generators, then restore them and the model's modes and flags.

    Libraries draw from the global generators, and some reseed them; ART leaves the model in eval mode, torchattacks in
    the mode that it found.

    Args:
        protected: The model under attack; its front end's own generator is reseeded, too.
        seed: For all of them.
    """
    numpy_state = np.random.get_state()
    modes = {module: module.training for module in protected.modules()}
    flags = {parameter: parameter.requires_grad for parameter in protected.parameters()}
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        protected.front_end.reseed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            for module, training in modes.items():
                module.training = training
            for parameter, flag in flags.items():
                parameter.requires_grad_(flag)
                parameter.grad = None
