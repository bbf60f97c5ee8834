"""Trained models, kept by content: the same request never trains twice."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor, nn

from frontdef import training, weights
from frontdef.datasets import Dataset, Split
from frontdef.defense import Stage
from frontdef.errors import StoreError
from frontdef.frontend import FrontEnd
from frontdef.registry import defense_entries, get_classifier, get_dataset, get_defense

FRONT_END, CLASSIFIER = "front_end.", "classifier."

RECIPES: Mapping[str, tuple[Stage, ...]] = {
    "digits": (Stage(epochs=6, lr=1e-3, final_lr=1e-5, batch_size=64),),
    "mnist": (Stage(epochs=4, lr=1e-3, final_lr=1e-5, batch_size=128),),
    "fashion-mnist": (Stage(epochs=8, lr=1e-3, final_lr=1e-5, batch_size=128),),
}
"""Data set → what trains a classifier on it, where neither the matrix nor the defense says otherwise."""

DEFAULT_RECIPE = (Stage(epochs=20, lr=1e-3, final_lr=1e-5, batch_size=128, weight_decay=5e-4),)


def default_recipe(dataset: str) -> tuple[Stage, ...]:
    """The recipe for a data set."""
    return RECIPES.get(dataset, DEFAULT_RECIPE)


@dataclass(frozen=True)
class ModelRequest:
    """All that decides a model's weights.

    Args:
        dataset: Id of the data set.
        classifier: Id of the classifier.
        defense: Id of the defense.
        config: Its full configuration.
        recipe: Training stages.
        train_samples: Number of training images; None takes all.
        seed: Decides the samples, the initial weights and the training.
    """

    dataset: str
    classifier: str
    defense: str
    config: Mapping[str, Any]
    recipe: tuple[Stage, ...]
    train_samples: int | None
    seed: int

    def describe(self) -> dict[str, Any]:
        """All that decides the weights, with the versions of the code involved, as JSON values."""
        plugin = next(entry.plugin for entry in defense_entries() if entry.name == self.defense)
        return {
            "dataset": [self.dataset, get_dataset(self.dataset).revision],
            "classifier": self.classifier,
            "defense": [self.defense, dict(self.config), plugin.pin],
            "recipe": [stage.model_dump(mode="json") for stage in self.recipe],
            "train_samples": self.train_samples,
            "seed": self.seed,
            "training": training.REVISION,
            "torch": importlib.metadata.version("torch"),
        }

    def key(self) -> str:
        """Hash of `describe`."""
        text = json.dumps(self.describe(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class TrainedModel:
    """A front end and the classifier that was trained behind it.

    Args:
        front_end: In eval mode.
        classifier: In eval mode.
        about: The request, and how the training went.
    """

    front_end: FrontEnd[Any]
    classifier: nn.Module
    about: Mapping[str, Any]


class ModelCache:
    """A folder of trained models: safetensors with a sidecar, named by content.

    Args:
        root: The folder; None takes ``FRONTDEF_CACHE``, or the user's cache folder.
    """

    def __init__(self, root: Path | None = None) -> None:
        given = root or os.environ.get("FRONTDEF_CACHE")
        self.root = Path(given) if given else Path(platformdirs.user_cache_dir("frontdef")) / "models"

    def path(self, request: ModelRequest) -> Path:
        """Where a model is, or will be."""
        return self.root / f"{request.key()}.safetensors"

    def has(self, request: ModelRequest) -> bool:
        """Whether the model was trained already."""
        return self.path(request).is_file()

    def get_or_train(
        self,
        request: ModelRequest,
        *,
        device: torch.device | str = "cpu",
        data_root: Path | None = None,
        download: bool = False,
        progress: training.ProgressCallback | None = None,
    ) -> TrainedModel:
        """Read a model, or train and keep it.

        Args:
            request: Which.
            device: Where to train.
            data_root: Folder of the data sets; None takes ``FRONTDEF_DATA``.
            download: Whether data sets may be downloaded.
            progress: Called after each epoch of training.

        Raises:
            StoreError: The cache can't be written, or the stored model is damaged.
            DataError: The data set is missing or damaged.
            ConfigError: Defense, classifier and data do not fit.
        """
        if self.has(request):
            return self._read(request)
        self._require_writable()
        dataset = get_dataset(request.dataset)
        split = dataset.load("train", root=data_root, download=download).take(request.train_samples, request.seed)
        front_end = get_defense(request.defense).build(request.config, image_shape=dataset.image_shape)
        front_end.eval().to(device)
        training.prepare(front_end, split.images, seed=request.seed)
        classifier = _classifier(request, front_end, dataset, split, torch.device(device))
        log = training.fit_classifier(
            front_end, classifier, split, request.recipe, seed=request.seed, device=device, progress=progress
        )
        about = {
            "request": request.describe(),
            "in_shape": list(_out_shape(front_end, split)),
            "losses": log.losses,
            "accuracies": log.accuracies,
            "seconds": log.seconds,
        }
        weights.save(_state(front_end, classifier), self.path(request), about)
        return TrainedModel(front_end.cpu(), classifier.cpu(), about)

    def _read(self, request: ModelRequest) -> TrainedModel:
        tensors, about = weights.load(self.path(request))
        dataset = get_dataset(request.dataset)
        front_end = get_defense(request.defense).build(request.config, image_shape=dataset.image_shape).eval()
        classifier = get_classifier(request.classifier).build(about["in_shape"], dataset.n_classes)
        try:
            front_end.load_state_dict(_part(tensors, FRONT_END))
            classifier.load_state_dict(_part(tensors, CLASSIFIER))
        except RuntimeError as error:
            raise StoreError(
                f"{self.path(request)} does not fit {request.defense} and {request.classifier}: {error}. "
                "Delete it, and it is trained again"
            ) from None
        return TrainedModel(front_end, classifier.eval(), about)

    def _require_writable(self) -> None:
        try:
            weights.write_whole(self.root / ".writable", b"")
        except StoreError as error:
            raise StoreError(
                f"the cache of trained models can't be written: {error}. Set FRONTDEF_CACHE, or --cache"
            ) from None
        (self.root / ".writable").unlink(missing_ok=True)


def _classifier(
    request: ModelRequest, front_end: FrontEnd[Any], dataset: Dataset, split: Split, device: torch.device
) -> nn.Module:
    mean, std = training.moments(training.outputs(front_end, split.images, device))
    return get_classifier(request.classifier).build(
        _out_shape(front_end, split), dataset.n_classes, mean=mean, std=std, seed=request.seed
    )


def _out_shape(front_end: FrontEnd[Any], split: Split) -> tuple[int, ...]:
    device = next((tensor.device for tensor in (*front_end.parameters(), *front_end.buffers())), torch.device("cpu"))
    return tuple(next(training.outputs(front_end, split.images[:1], device)).shape[1:])


def _state(front_end: FrontEnd[Any], classifier: nn.Module) -> dict[str, Tensor]:
    front = {FRONT_END + name: tensor for name, tensor in front_end.state_dict().items()}
    return front | {CLASSIFIER + name: tensor for name, tensor in classifier.state_dict().items()}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
