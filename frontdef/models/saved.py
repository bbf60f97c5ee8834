"""A trained defense in a file: the front end's weights and the classifier's, and what they belong to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import BaseModel, Field, model_validator
from torch import Tensor, nn

from frontdef import config as configs
from frontdef import weights
from frontdef.datasets.preparation import MAX_PIXELS
from frontdef.datasets.record import MAX_CLASSES
from frontdef.errors import ConfigError, StoreError
from frontdef.frontend import FrontEnd
from frontdef.registry import get_classifier, get_defense

FRONT_END, CLASSIFIER = "front_end.", "classifier."


Shape = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=4)]


class _Request(BaseModel):
    defense: tuple[str, dict[str, Any]]
    classifier: list[Any] = Field(["small-cnn"], min_length=1)


class _Sidecar(BaseModel):
    """What is read of a sidecar; it says more."""

    request: _Request
    in_shape: Shape
    image_shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    n_classes: int = Field(ge=1, le=MAX_CLASSES)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if max(math.prod(self.in_shape), math.prod(self.image_shape)) > MAX_PIXELS:
            raise ValueError(f"its shapes have more than {MAX_PIXELS:,} values")
        return self


@dataclass(frozen=True)
class Saved:
    """What a file holds; nothing is built before it is asked for.

    Args:
        path: The file, ``.safetensors``; its sidecar lies beside it.
        tensors: Weights by name, with the prefixes of front end and classifier.
        about: The sidecar.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]

    @property
    def defense(self) -> str:
        """Id of the defense."""
        return str(self.about["request"]["defense"][0])

    @property
    def config(self) -> dict[str, Any]:
        """Its configuration, every value."""
        return dict(self.about["request"]["defense"][1])

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C,H,W)`` of the images that it was trained on."""
        return tuple(self.about["image_shape"])

    def front_end(self, *, surrogate: str | None = None) -> FrontEnd[Any]:
        """The front end with its weights, in eval mode.

        Raises:
            StoreError: The weights do not fit the defense as it is installed.
        """
        built = get_defense(self.defense).build(self.config, image_shape=self.image_shape, surrogate=surrogate)
        self._load(built, FRONT_END)
        return built.eval()

    def classifier(self) -> nn.Module:
        """The classifier behind it with its weights, in eval mode.

        Raises:
            ConfigError: It was a model of the user's, whose code is not in the file.
            StoreError: The weights do not fit the classifier as it is installed.
        """
        if "classifier" not in self.about["request"]:
            raise ConfigError(
                f"behind {self.defense!r} in {self.path} stands a model of yours, whose code is not in the file: build "
                f"it, load its weights from there (`frontdef evaluate SOURCE --weights {self.path} --weights-key "
                f"classifier.body` does), and give it: frontdef.protect(net, {self.defense!r}, weights=…)"
            )
        name = str(self.about["request"]["classifier"][0])
        built = get_classifier(name).build(self.about["in_shape"], self.about["n_classes"])
        self.load_classifier(built)
        return built.eval()

    def load_classifier(self, module: nn.Module) -> None:
        """Put the classifier's weights into a module that is built like it.

        Raises:
            StoreError: They do not fit.
        """
        self._load(module, CLASSIFIER)

    def require(self, name: str, config: Mapping[str, Any], image_shape: Sequence[int] | None) -> None:
        """Check that the file is of a defense, and was trained with the values that are given.

        Args:
            name: The defense's id.
            config: Configuration values; those that are not given are taken from the file.
            image_shape: ``(C,H,W)``; None takes the file's.

        Raises:
            ConfigError: Another defense, configuration or image shape; both are named.
        """
        if name != self.defense:
            raise ConfigError(f"{self.path} holds the defense {self.defense!r}, not {name!r}")
        wanted = get_defense(name).configure(config).model_dump(mode="json")
        for key in config:
            if wanted[key] != self.config.get(key):
                raise ConfigError(
                    f"{self.path} was trained with {key} = {self.config.get(key)!r}, {key} = {wanted[key]!r} is asked "
                    f"for: leave it out, or train anew with `frontdef train {name} {key}={wanted[key]}`"
                )
        if image_shape is not None and tuple(image_shape) != self.image_shape:
            raise ConfigError(
                f"{self.path} was trained on images {self.image_shape}, image_shape={tuple(image_shape)} is asked for"
            )

    def _load(self, module: nn.Module, prefix: str) -> None:
        mine = {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}
        try:
            module.load_state_dict(mine)
        except RuntimeError as error:
            raise StoreError(
                f"{self.path} does not fit what is installed: {' '.join(str(error).split())}. Delete it and "
                f"{self.path.with_suffix('.json').name}, and train again"
            ) from None


def save(path: Path, front_end: FrontEnd[Any], classifier: nn.Module, about: Mapping[str, Any]) -> None:
    """Write a trained defense, whole or not at all.

    Args:
        path: Ends in ``.safetensors``.
        front_end: Trained.
        classifier: Trained behind it.
        about: The request that it answers, ``in_shape``, ``image_shape``, ``n_classes``, and how the training went.

    Raises:
        StoreError: The folder can't be written.
    """
    weights.save(_state(front_end, FRONT_END) | _state(classifier, CLASSIFIER), path, about)


def read(path: str | Path) -> Saved:
    """Open a trained defense; the checksum is tested.

    Raises:
        StoreError: Missing, damaged, or no trained defense.
    """
    path = Path(path)
    tensors, about = weights.load(path)
    lacking = [name for name, field in _Sidecar.model_fields.items() if field.is_required() and name not in about]
    if lacking:
        raise StoreError(
            f"{path} is no trained defense: its sidecar lacks {', '.join(lacking)}. `frontdef train NAME --out FILE` "
            "writes one"
        )
    try:
        configs.build(_Sidecar, about, "its sidecar")
    except ConfigError as error:
        raise StoreError(
            f"{path} is no trained defense: {error}. `frontdef train NAME --out FILE` writes one"
        ) from None
    return Saved(path, tensors, about)


def _state(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    # Cloned: safetensors refuses tensors that share memory.
    layout = torch.contiguous_format
    return {prefix + name: tensor.clone(memory_format=layout) for name, tensor in module.state_dict().items()}
