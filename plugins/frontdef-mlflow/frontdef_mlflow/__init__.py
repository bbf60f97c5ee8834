"""MLflow as a logger of frontdef; MLflow is imported when a run asks for it."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef


@frontdef.hookimpl
def frontdef_loggers() -> Iterable[frontdef.Logger]:
    """Offer the logger ``mlflow``."""
    yield frontdef.Logger(
        "mlflow",
        log="frontdef_mlflow.log:log",
        summary="MLflow: mlruns in the run folder, unless MLFLOW_TRACKING_URI is set",
    )
