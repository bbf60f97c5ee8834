"""A run of frontdef as a run of Weights & Biases. Offline and in the run folder, unless WANDB_MODE is set."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from frontdef import JobEnded
from frontdef.logger import numbers

# Before the import: offline or not, wandb reports to its makers.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

import wandb

PROJECT = "frontdef"

_open: dict[Path, Any] = {}
"""Run folder → run."""


def log(ended: JobEnded) -> None:
    """Log the numbers of a job.

    Args:
        ended: The job.
    """
    _run(ended.run.absolute()).log(numbers(ended))


def _run(folder: Path) -> Any:
    if folder not in _open:
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        _open[folder] = wandb.init(
            project=PROJECT,
            name=folder.name,
            id=hashlib.sha256(str(folder).encode()).hexdigest()[:16],  # a run that goes on is logged where it began
            resume="allow",
            dir=str(folder),
            mode=mode,
            settings=wandb.Settings(console="off"),  # the grid of a terminal is no log
        )
    return _open[folder]
