"""timm's models, with the preprocessing that their weights declare."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
from huggingface_hub import hf_hub_download, try_to_load_from_cache

from frontdef import ModelError, Normalization, Preprocessing, ZooModel, ZooRequest
from frontdef.errors import ConfigError, UnknownNameError

FILE = "model.safetensors"
"""What timm calls the weights in each of its repositories."""


def names() -> Iterable[str]:
    """Names of architectures."""
    return timm.list_models()


def load(request: ZooRequest) -> ZooModel:
    """A model of timm: ``timm:resnet18``, or with a tag of its weights, ``timm:resnet18.a1_in1k``.

    Random weights where none are named: a tag in the name says which preprocessing is meant, ``weights = "a1_in1k"``
    that the weights are to be loaded.

    Raises:
        UnknownNameError: A model or a tag that timm does not have.
        ModelError: Weights that are not on disk, without leave to download.
    """
    architecture, _, tag = request.name.partition(".")
    if not timm.is_model(architecture):
        raise UnknownNameError("timm model", architecture, names(), "`frontdef ls models timm 'resnet*'` lists names.")
    tag = request.weights or tag
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise UnknownNameError(f"weights of timm:{architecture}", tag, tags)
    if "pretrained" in request.arguments:
        raise ConfigError(f"timm's weights are named, in place of the argument pretrained. Mend: {_by_tag(tags)}")
    module = timm.create_model(f"{architecture}.{tag}" if tag else architecture, pretrained=False, **request.arguments)
    settings: Mapping[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    file = request.file if request.weights is None else _on_disk(request.weights, settings, request.download)
    return ZooModel(
        module,
        file=file,
        normalize=Normalization(mean=settings["mean"], std=settings["std"]) if "mean" in settings else None,
        preprocessing=_preprocessing(settings) if "input_size" in settings else None,
        identity={"timm": importlib.metadata.version("timm"), "tag": tag},
        random=file is None,
    )


def _by_tag(tags: Sequence[str]) -> str:
    if not tags:
        return "leave it out; timm has no weights of this model"
    more = f" (or {', '.join(tags[1:4])}{', …' if len(tags) > 4 else ''})" if tags[1:] else ""
    return f"weights = {tags[0]!r} in [[model]], on the command line --weights {tags[0]}{more}"


def _on_disk(tag: str, settings: Mapping[str, Any], download: bool) -> Path:
    """The file of weights in the hub's own cache; fetched there where that is allowed."""
    repository = str(settings.get("hf_hub_id", ""))
    cached = try_to_load_from_cache(repository, FILE) if repository else None
    if isinstance(cached, str):
        return Path(cached)
    if not download or not repository:
        where = f"https://huggingface.co/{repository}" if repository else "their authors"
        raise ModelError(
            f"the weights {tag!r} are not on disk, and nothing is downloaded unasked. Mend: --download, or get {FILE} "
            f"from {where} and name the file: weights = {FILE!r} in [[model]], on the command line --weights {FILE}"
        )
    return Path(hf_hub_download(repository, FILE))


def _preprocessing(settings: Mapping[str, Any]) -> Preprocessing:
    _, height, width = settings["input_size"]
    share = settings.get("crop_pct") or 1.0
    scaled = (math.floor(height / share), math.floor(width / share))
    return Preprocessing(
        resize=scaled[:1] if height == width and settings.get("crop_mode", "center") == "center" else scaled,
        crop=(height, width),
        interpolation=settings.get("interpolation", "bilinear"),
    )
