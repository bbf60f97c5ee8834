"""What can be set, and what is taken where the images decide: gray, small color or large ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from pydantic import field_validator
from pydantic_core import PydanticCustomError

import frontdef
from frontdef.errors import ConfigError

LARGE_FROM = 64
"""Images with a side of at least this many pixels get the values of the 160×160 ones."""


@dataclass(frozen=True)
class FilledConfig:
    """A configuration with every value that depends on the images filled in.

    Args:
        patch: n, side of a patch, pixels.
        stride: S, from patch to patch, pixels.
        atoms: L, number of dictionary atoms.
        lam: λ of eq. 4.4.
        iterations: Steps of the dictionary learning.
        batch_size: Patches a step of it.
        top: T, coefficients kept a patch.
        eps: ε of eq. 4.6, in [0,1] pixel values.
        widths: Channels after the decoder's first and second layer.
        upsampling: How the decoder comes back to the size of the image.
    """

    patch: int
    stride: int
    atoms: int
    lam: float
    iterations: int
    batch_size: int
    top: int
    eps: float
    widths: tuple[int, int]
    upsampling: Literal["transposed", "bicubic"]


GRAY = FilledConfig(4, 2, 160, 0.5, 300, 25, 16, 0.1, (32, 16), "transposed")
COLOR = FilledConfig(4, 2, 500, 1.0, 1000, 5, 50, 8 / 255, (300, 100), "transposed")
LARGE = FilledConfig(8, 4, 1000, 0.5, 10000, 5, 50, 8 / 255, (300, 100), "bicubic")
FIXED_TOP = {GRAY: 5, COLOR: 15, LARGE: 15}
"""T of the encoder without dropout."""


def preset(image_shape: Sequence[int]) -> FilledConfig:
    """The values for images ``(C,H,W)``: 4.2.4 and appendix B.3 for color ones, ours for gray ones."""
    channels, height, width = image_shape
    if max(height, width) >= LARGE_FROM:
        return LARGE
    return GRAY if channels == 1 else COLOR


class FixedSparseCodeConfig(frontdef.Config):
    """Dictionary, encoder and decoder; None takes what fits the images' shape (see `preset`)."""

    patch: int | None = frontdef.field(
        None, ge=1, description="n, side of a patch, pixels; None: 4, of images from 64 pixels on 8"
    )
    stride: int | None = frontdef.field(
        None, ge=1, description="S, pixels from patch to patch; None: 2, of images from 64 pixels on 4"
    )
    atoms: int | None = frontdef.field(
        None, ge=1, description="L, number of atoms; None: 500, of gray images 160, of images from 64 pixels on 1000"
    )
    lam: float | None = frontdef.field(
        None, gt=0, description="λ of eq. 4.4, weight of the ℓ1 norm; None: 1, of gray or large images 0.5"
    )
    iterations: int | None = frontdef.field(
        None,
        ge=1,
        description="mini-batches of dictionary learning; None: 1000, of gray images 300, of large ones 10000",
    )
    batch_size: int | None = frontdef.field(
        None, ge=1, description="patches a mini-batch of dictionary learning; None: the 5 of the authors' code, gray 25"
    )
    top: int | None = frontdef.field(
        None, ge=1, description="T, coefficients kept a patch; None: 50, without dropout 15; of gray images 16 and 5"
    )
    eps: float | None = frontdef.field(
        None, gt=0, le=1, description="ε of eq. 4.6, ℓ∞ radius in [0,1] pixel values; None: 8/255, of gray images 0.1"
    )
    beta: float = frontdef.field(
        3.0, gt=0, description="β of eq. 4.6: a coefficient below β·ε·‖d‖₁ gives 0; the paper asks for β > 1"
    )
    signed: bool = frontdef.field(
        True, description="codes in {−‖d‖₁, 0, ‖d‖₁} as in eq. 4.6; false: {0, ‖d‖₁}, as the authors' code has it"
    )
    decoder: Literal["supervised", "unsupervised"] = frontdef.field(
        "supervised",
        description="how the default recipe trains: decoder and classifier jointly on the labels, or the decoder alone "
        "to reconstruct the images (ℓ2) and then the classifier: the source model of the transfer attack PW-T",
    )
    widths: tuple[int, int] | None = frontdef.field(
        None, description="channels after the decoder's first two layers; None: (300, 100), of gray images (32, 16)"
    )
    upsampling: Literal["transposed", "bicubic"] | None = frontdef.field(
        None,
        description="transposed: the decoder's first layer undoes the patches' stride; bicubic: interpolation after "
        "the first layer, as the authors' code does it at 160 pixels; None: bicubic from 64 pixels on",
    )

    @field_validator("widths")
    @classmethod
    def _positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and min(value) < 1:
            raise PydanticCustomError("width", "both widths are at least 1")
        return value

    def settings(self, image_shape: Sequence[int]) -> FilledConfig:
        """Fill in what depends on the images.

        Args:
            image_shape: ``(C,H,W)``.

        Raises:
            ConfigError: Patches larger than the image, T > atoms, or a decoder that cannot reach the image's size.
        """
        own = preset(image_shape)
        stated = {field.name: getattr(self, field.name) for field in fields(FilledConfig)}
        filled = replace(own, **{"top": self._top(own), **{key: value for key, value in stated.items() if value}})
        _check(filled, stated, image_shape)
        return filled

    def _top(self, own: FilledConfig) -> int:
        return FIXED_TOP[own]


class SparseCodeConfig(FixedSparseCodeConfig):
    """The same with dropout, which acts at test time too."""

    dropout: float = frontdef.field(
        0.95, lt=1, description="p of eq. 4.5, probability that a kept coefficient is dropped, in every call"
    )

    @field_validator("dropout")
    @classmethod
    def _random(cls, value: float) -> float:
        if not value > 0:
            raise PydanticCustomError(
                "no_dropout", "greater than 0; the encoder without dropout is the defense 'sparsecode-fixed'"
            )
        return value

    def _top(self, own: FilledConfig) -> int:
        return own.top


def _check(settings: FilledConfig, stated: dict[str, Any], image_shape: Sequence[int]) -> None:
    _, height, width = image_shape
    if settings.patch > min(height, width):
        raise ConfigError(
            f"patch = {settings.patch} does not fit into images of {height}x{width}: at most {min(height, width)}"
        )
    if settings.top > settings.atoms:
        raise ConfigError(
            f"top = {settings.top} coefficients cannot be kept of atoms = {settings.atoms}"
            f"{'' if stated['top'] else ' (top was not given)'}: choose top = 1…{settings.atoms}, or more atoms"
        )
    lost = max((side - settings.patch) % settings.stride for side in (height, width))
    if settings.upsampling == "transposed" and lost > 4:
        raise ConfigError(
            f"patches of {settings.patch} at stride {settings.stride} leave {lost} pixels of {height}x{width} "
            "uncovered, and the decoder adds no more than 4: choose a stride that divides side − patch, or "
            "upsampling = 'bicubic'"
        )
