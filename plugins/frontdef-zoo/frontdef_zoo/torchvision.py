"""torchvision's classifiers, with the preprocessing that their weights declare."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torchvision import models

from frontdef import ModelError, Normalization, Preprocessing, ZooModel, ZooRequest
from frontdef.errors import UnknownNameError


def names() -> Iterable[str]:
    """Names of image classifiers."""
    return models.list_models(module=models)  # type: ignore[no-any-return]


def load(request: ZooRequest) -> ZooModel:
    """A classifier of torchvision.

    Random weights where none are named. The normalization is that of the named weights, of those whose file has the
    name of the given file, or else of the model's newest.

    Raises:
        UnknownNameError: A model or weights that torchvision does not have.
        ModelError: Weights that are not on disk, without leave to download.
    """
    known = list(names())
    if request.name not in known:
        raise UnknownNameError("torchvision model", request.name, known, "`frontdef ls models torchvision` lists them.")
    weights = models.get_model_weights(request.name)
    chosen = _named(request, weights) if request.weights is not None else _of_file(request.file, weights)
    file = request.file if request.weights is None or chosen is None else _on_disk(chosen, request.download)
    module = models.get_model(request.name, weights=None, **{**_shape_of(chosen, request), **request.arguments})
    transform = None if chosen is None else chosen.transforms()
    identity = {"torchvision": importlib.metadata.version("torchvision"), "weights": request.weights}
    return ZooModel(
        module,
        file=file,
        normalize=None if transform is None else Normalization(mean=tuple(transform.mean), std=tuple(transform.std)),
        preprocessing=None if transform is None else _preprocessing(transform),
        identity=identity,
        random=file is None,
    )


def _named(request: ZooRequest, weights: Any) -> Any:
    if request.weights not in weights.__members__:
        known = weights.__members__
        raise UnknownNameError(f"weights of torchvision:{request.name}", str(request.weights), known)
    return weights[request.weights]


def _of_file(file: Path | None, weights: Any) -> Any:
    """The weights that a file is of, by its name; else the newest, whose preprocessing is the family's."""
    named = [candidate for candidate in weights if file is not None and candidate.url.rpartition("/")[2] == file.name]
    return named[0] if named else next(iter(list(weights)[-1:]), None)


def _shape_of(chosen: Any, request: ZooRequest) -> dict[str, Any]:
    """As many classes as the named weights have."""
    return {"num_classes": len(chosen.meta["categories"])} if request.weights is not None else {}


def _on_disk(chosen: Any, download: bool) -> Path:
    """The file of weights in torch's own cache; fetched there, its hash checked, where that is allowed."""
    file: Path = Path(torch.hub.get_dir()) / "checkpoints" / chosen.url.rpartition("/")[2]
    if not file.is_file():
        if not download:
            raise ModelError(
                f"the weights {chosen} are not on disk ({file}), and nothing is downloaded unasked. Mend: --download, "
                f"or fetch {chosen.url} and name the file: weights = {file.name!r} in [[model]], on the command line "
                f"--weights {file.name}"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        digest = file.stem.rpartition("-")[2]
        torch.hub.download_url_to_file(chosen.url, str(file), hash_prefix=digest, progress=False)
    return Path(file)


def _preprocessing(transform: Any) -> Preprocessing:
    return Preprocessing(
        resize=tuple(transform.resize_size),
        crop=tuple(transform.crop_size) * (3 - len(transform.crop_size)),
        interpolation=transform.interpolation.value,
    )
