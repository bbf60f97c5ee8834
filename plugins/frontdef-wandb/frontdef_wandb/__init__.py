"""Weights & Biases as a logger of frontdef; wandb is imported when a run asks for it."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef


@frontdef.hookimpl
def frontdef_loggers() -> Iterable[frontdef.Logger]:
    """Offer the logger ``wandb``."""
    yield frontdef.Logger(
        "wandb",
        log="frontdef_wandb.log:log",
        summary="Weights & Biases: offline, wandb in the run folder, unless WANDB_MODE is set",
    )
