"""Trained models, kept by content: the same request never trains twice."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor, nn

from frontdef import training
from frontdef.classifiers.network import seeded
from frontdef.datasets import Dataset
from frontdef.errors import StoreError, UnwritableError
from frontdef.frontend import FrontEnd
from frontdef.lock import locked
from frontdef.models import saved
from frontdef.models.request import ModelRequest, Request
from frontdef.models.saved import Saved
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.whole import sweep

VARIABLE = "FRONTDEF_CACHE"

_log = logging.getLogger("frontdef")


@dataclass(frozen=True)
class TrainedModel:
    """A front end and the classifier that was trained behind it.

    Args:
        front_end: In eval mode, on the CPU.
        classifier: In eval mode, on the CPU.
        about: The request, and how the training went.
    """

    front_end: FrontEnd[Any]
    classifier: nn.Module
    about: Mapping[str, Any]


class ModelCache:
    """A folder of trained models: safetensors with a sidecar, named by content.

    Args:
        root: The folder; None takes ``FRONTDEF_CACHE``, or ``models`` in the user's cache folder.
        checkpoint_every: Seconds of training at least between two checkpoints; a killed training goes on from the last.
    """

    def __init__(self, root: Path | None = None, *, checkpoint_every: float = 30.0) -> None:
        self.checkpoint_every = checkpoint_every
        folder = root or os.environ.get(VARIABLE)
        self.root = Path(folder).expanduser() if folder else Path(platformdirs.user_cache_dir("frontdef")) / "models"

    @staticmethod
    def key(request: Request) -> str:
        """The hash under which a model is kept."""
        return request.key()

    def path(self, request: Request) -> Path:
        """Where a model is, or will be."""
        return self.root / f"{request.key()}.safetensors"

    def checkpoint(self, request: Request) -> training.Checkpoint:
        """What a training of the model writes while it runs, and goes on from where it was killed."""
        path = self.root / f"{request.key()}.partial.safetensors"
        return training.Checkpoint(path, request.key(), every=self.checkpoint_every)

    def has(self, request: Request) -> bool:
        """Whether the model was trained already. The sidecar is written last, so with it the model is whole."""
        path = self.path(request)
        return path.with_suffix(".json").is_file() and path.is_file()

    def get_or_train(
        self,
        request: Request,
        *,
        device: torch.device | str = "cpu",
        data_root: Path | None = None,
        download: bool = False,
        progress: training.ProgressCallback | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> TrainedModel:
        """Read a model, or train and keep it. Where another process is training the same one, wait for it.

        A training that was killed goes on from its last checkpoint, and ends in the same weights.

        Args:
            request: Which.
            device: Where to train.
            data_root: Folder of the data sets; None takes ``FRONTDEF_DATA``.
            download: Whether data sets may be downloaded.
            progress: Called after each epoch of training; not at all where the model is there.
            waiting: Told who trains the model, where that is waited for; None logs a warning.

        Raises:
            StoreError: The cache can't be written, or the stored model is damaged.
            DataError: The data set is missing or damaged.
            ConfigError: Defense, classifier and data do not fit, or more samples are asked for than there are.
        """
        if self.has(request):
            return self._read(request)
        with self._lock(request, waiting or partial(_log.warning, "%s is being trained by %s: waiting", request)):
            if self.has(request):
                return self._read(request)
            sweep(self.root)
            checkpoint = self.checkpoint(request)
            model = fit(request, torch.device(device), data_root, download, progress, checkpoint)
            try:
                saved.save(self.path(request), model.front_end, model.classifier, model.about)
            except UnwritableError as error:
                raise self._unwritable(error) from None
            checkpoint.remove()
            return model

    def _read(self, request: Request) -> TrainedModel:
        path = self.path(request)
        stored = saved.read(path)
        if (stored.about.get("key"), stored.about.get("request")) != (request.key(), request.describe()):
            raise StoreError(
                f"{path} holds another model than {request.defense!r} with {request.classifier!r} as it is asked for "
                f"(its configuration or hash differs). Delete it and {path.with_suffix('.json').name}, and it is "
                "trained again"
            )
        return restore(request, stored)

    @contextmanager
    def _lock(self, request: Request, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the model's lock, which also finds out that nothing can be written before time is spent on training."""
        with ExitStack() as held:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self.path(request).with_suffix(".lock"), waiting))
            except OSError as error:
                raise self._unwritable(error) from None
            yield

    def _unwritable(self, error: Exception) -> UnwritableError:
        return UnwritableError(
            f"the cache of trained models, {self.root}, can't be written: {error}. Free some space, or choose another "
            f"folder with {VARIABLE} or --cache"
        )


@singledispatch
def restore(request: Request, saved: Saved) -> TrainedModel:
    """The model of a request from its file; each kind of request registers how it is built.

    Args:
        request: Which.
        saved: Its file, checked.
    """
    raise TypeError(f"{type(request).__name__} is no request for a model that is kept")


@restore.register(ModelRequest)
def _restored(request: ModelRequest, saved: Saved) -> TrainedModel:
    return TrainedModel(saved.front_end(), saved.classifier(), saved.about)


@singledispatch
def fit(
    request: Request,
    device: torch.device,
    data_root: Path | None,
    download: bool,
    progress: training.ProgressCallback | None,
    checkpoint: training.Checkpoint,
) -> TrainedModel:
    """Train the model of a request; each kind of request registers how.

    Args:
        request: Which.
        device: Where to train.
        data_root: Folder of the data sets.
        download: Whether data sets may be downloaded.
        progress: Called after each epoch.
        checkpoint: What it goes on from.
    """
    raise TypeError(f"{type(request).__name__} is no request for a model that is trained")


@fit.register(ModelRequest)
def _train(
    request: ModelRequest,
    device: torch.device,
    data_root: Path | None,
    download: bool,
    progress: training.ProgressCallback | None,
    checkpoint: training.Checkpoint,
) -> TrainedModel:
    dataset = get_dataset(request.dataset)
    split = dataset.load("train", root=data_root, download=download).take(request.train_samples, request.seed)
    with seeded(request.seed):
        front_end = get_defense(request.defense).build(request.config, image_shape=dataset.image_shape)
    training.prepare(front_end, split.images, seed=request.seed, device=device)
    in_shape, classifier = _build(request, dataset, front_end, split.images, device)
    log = training.fit_classifier(
        front_end,
        classifier,
        split,
        request.recipe,
        seed=request.seed,
        device=device,
        progress=progress,
        checkpoint=checkpoint,
    )
    about = {
        "request": request.describe(),
        "key": request.key(),
        "in_shape": list(in_shape),
        "image_shape": list(dataset.image_shape),
        "n_classes": dataset.n_classes,
        "samples": len(split),
        "device": device.type,
        "losses": list(log.losses),
        "accuracies": [None if math.isnan(value) else value for value in log.accuracies],
        "seconds": log.seconds,
    }
    return TrainedModel(front_end.cpu(), classifier.cpu(), about)


def _build(
    request: ModelRequest, dataset: Dataset, front_end: FrontEnd[Any], images: Tensor, device: torch.device
) -> tuple[tuple[int, ...], nn.Module]:
    """The untrained classifier for what the front end puts out, normalizing by its mean and standard deviation.

    Behind a front end that is yet to be trained there are none, and where it puts out images those of the images serve.
    """
    with training.seeded(request.seed, front_end):
        in_shape = tuple(next(training.outputs(front_end, images[:1], device)).shape[1:])
        mean: list[float] | None = None
        std: list[float] | None = None
        if not front_end.learns or front_end.trained:
            mean, std = training.moments(training.outputs(front_end, images, device))
        elif in_shape == dataset.image_shape:
            mean, std = training.moments(iter([images]))
    builder = get_classifier(request.classifier)
    return in_shape, builder.build(in_shape, dataset.n_classes, mean=mean, std=std, seed=request.seed)
