"""Zoo: models by name, as a plugin offers them. Importing this module imports no ML library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import model_validator

from frontdef.config import Config
from frontdef.config import field as config_field
from frontdef.errors import ConfigError
from frontdef.lazy import resolve

if TYPE_CHECKING:
    from torch import nn

    Load = Callable[["ZooRequest"], "ZooModel"]
    Names = Callable[[], Iterable[str]]


class Normalization(Config):
    """What a model subtracts from its input and divides it by, in the order in which it reads the channels."""

    mean: tuple[float, ...] = config_field(min_length=1, description="one number, or one a channel")
    std: tuple[float, ...] = config_field(min_length=1, description="one positive number, or one a channel")

    @model_validator(mode="after")
    def _check(self) -> Normalization:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"mean has {len(self.mean)} values, std has {len(self.std)}: they are one for each channel"
            )
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {min(self.std)}")
        return self


@dataclass(frozen=True)
class Preprocessing:
    """How the pictures of a data set become the images that a model was trained for.

    It belongs to the data set, before the ball of the threat model is laid around an image: a perturbation is measured
    in the pixels that the model reads.

    Args:
        resize: Length of the shorter side after resizing, in pixels; two numbers are ``(H,W)``; empty resizes nothing.
        crop: ``(H,W)`` of the center crop after that; empty crops nothing.
        interpolation: ``bilinear``, ``bicubic``, ``nearest``, ….
    """

    resize: tuple[int, ...] = ()
    crop: tuple[int, ...] = ()
    interpolation: str = "bilinear"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"resize": list(self.resize), "crop": list(self.crop), "interpolation": self.interpolation}


@dataclass(frozen=True)
class ZooRequest:
    """What a zoo is asked for.

    Args:
        name: The model's name in the zoo.
        weights: Name of trained weights that the zoo knows; None for random ones, or for those of `file`.
        file: A file of weights on disk, which frontdef loads into the model; None where there is none.
        base: The folder where relative paths start.
        download: Whether the zoo may fetch anything; without it nothing is ever fetched.
        arguments: Further arguments of the model, as its owner writes them.
    """

    name: str
    weights: str | None = None
    file: Path | None = None
    base: Path = field(default_factory=Path)
    download: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ZooModel:
    """What a zoo answers.

    Args:
        module: An ``nn.Module`` of ``(N,C,H,W)``. It reads normalized images where `normalize` says so, images in [0,1]
            otherwise.
        file: Weights on disk that frontdef is to load into it, as data; None where it holds its weights already.
        normalize: The normalization that its weights were trained with; None where the module does it itself.
        preprocessing: What its weights expect of the data set; None where the zoo does not know.
        identity: Whatever decides the model beside its weights: versions of packages, names of weights; JSON values.
        random: Whether its weights are drawn, not trained: its accuracy then needs no explanation.
        notes: What its user should know, one sentence each.
    """

    module: nn.Module
    file: Path | None = None
    normalize: Normalization | None = None
    preprocessing: Preprocessing | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    random: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Zoo:
    """A zoo that a matrix can name: ``source = "ZOO:NAME"``.

    Args:
        name: Its id, what stands before the colon: lower case with dashes.
        load: A function ``(ZooRequest) -> ZooModel``, or a reference ``"package.module:function"``. It raises
            `ModelError` for what it does not have, and never touches the network unless the request allows it.
        names: A function without arguments that gives the names of its models, or a reference to it.
        summary: One line for ``frontdef ls models``.
        pattern: What stands after the colon, for messages: ``NAME``, ``DATASET/THREAT/NAME``.
        citation: Where its models come from.

    Raises:
        ConfigError: An empty name, or one that is not lower case with dashes.
    """

    name: str
    load: str | Load
    names: str | Names
    summary: str = ""
    pattern: str = "NAME"
    citation: str = ""

    def __post_init__(self) -> None:
        if not self.name or not all(part.isalnum() and part == part.lower() for part in self.name.split("-")):
            raise ConfigError(f"a zoo's name is lower case letters and digits with dashes, got {self.name!r}")

    def open(self, request: ZooRequest) -> ZooModel:
        """Load a model; see `ZooRequest`.

        Raises:
            TypeError: What the zoo answers is no `ZooModel`.
        """
        answer = cast("Load", resolve(self.load))(request)
        if not isinstance(answer, ZooModel):
            raise TypeError(f"the zoo {self.name!r} answers {type(answer).__name__}, not a ZooModel")
        return answer

    def list(self) -> tuple[str, ...]:
        """The names of its models, sorted; this may import what the zoo is made of."""
        return tuple(sorted(cast("Names", resolve(self.names))()))
