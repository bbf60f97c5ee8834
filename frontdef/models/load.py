"""From a request to the model: trained, or read from the cache."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from frontdef.models.cache import ModelCache
from frontdef.models.request import ModelRequest, Request
from frontdef.protected import Protected

if TYPE_CHECKING:
    from collections.abc import Callable

    ProgressCallback = Callable[[int, int, float, float], None]
    Waiting = Callable[[str], None]


@dataclass(frozen=True)
class Means:
    """Where models and data come from.

    Args:
        device: ``cpu`` or ``cuda``.
        data: Folder of the data sets; None takes ``FRONTDEF_DATA``.
        cache: Folder of trained models; None takes ``FRONTDEF_CACHE`` or the user's cache folder.
        download: Whether data sets may be downloaded.
    """

    device: str = "cpu"
    data: Path | None = None
    cache: Path | None = None
    download: bool = False


@singledispatch
def load_model(
    request: Request, means: Means, progress: ProgressCallback | None = None, waiting: Waiting | None = None
) -> Protected:
    """The defended model of a request; each kind of request registers how it is got.

    Args:
        request: Which.
        means: Where models and data come from.
        progress: Called after each epoch of training.
        waiting: Told who trains the model, where another process does.

    Raises:
        StoreError: The cache can't be written, or the stored model is damaged.
        DataError: The data set is missing or damaged.
        ConfigError: Defense, classifier and data do not fit, or a training that diverged.
    """
    raise TypeError(f"{type(request).__name__} is no request for a model")


@load_model.register(ModelRequest)
def _trained(
    request: ModelRequest, means: Means, progress: ProgressCallback | None = None, waiting: Waiting | None = None
) -> Protected:
    """Trained here, if it is not in the cache."""
    device = torch.device(means.device)
    model = ModelCache(means.cache).get_or_train(
        request,
        device=device,
        data_root=means.data,
        download=means.download,
        progress=progress,
        waiting=waiting,
    )
    return Protected(model.front_end, model.classifier, image_shape=request.image_shape).to(device)
