"""Is the device here?"""

from __future__ import annotations

import torch

from frontdef.errors import ConfigError


def check_device(device: str) -> torch.device:
    """Return the device if this machine has it.

    Raises:
        ConfigError: Neither ``cpu`` nor ``cuda``, or no CUDA device here.
    """
    if device not in {"cpu", "cuda"}:
        raise ConfigError(f"the device is 'cpu' or 'cuda', got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device 'cuda' was asked for, but torch {torch.__version__} sees no CUDA device: use --device cpu, or "
            "look at `python -m torch.utils.collect_env`"
        )
    return torch.device(device)
