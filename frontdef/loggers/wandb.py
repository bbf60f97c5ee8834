"""Weights & Biases: ``--on-job frontdef.loggers.wandb:log``. Offline, in the run's folder, unless WANDB_MODE is set."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.errors import MissingExtraError
from frontdef.loggers.names import numbers

if TYPE_CHECKING:
    from frontdef.runs.ended import JobEnded

_open: dict[Path, Any] = {}
"""Run folder → run."""


def log(ended: JobEnded) -> None:
    """Log the numbers of a job.

    Raises:
        MissingExtraError: wandb is not installed.
    """
    _run(ended.run.absolute()).log(numbers(ended))


def _run(folder: Path) -> Any:
    if folder not in _open:
        try:
            import wandb
        except ImportError:
            raise MissingExtraError("logging to Weights & Biases", "wandb") from None
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        _open[folder] = wandb.init(
            project="frontdef",
            name=folder.name,
            id=hashlib.sha256(str(folder).encode()).hexdigest()[:16],  # a run that goes on is logged where it began
            resume="allow",
            dir=str(folder),
            mode=mode,
        )
    return _open[folder]
