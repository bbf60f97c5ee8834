"""The metrics: which samples are still classified correctly."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import field_validator
from pydantic_core import PydanticCustomError
from torch import Generator, Tensor

import frontdef
from frontdef import Protected
from frontdef_corruptions.corruption import SEVERITIES
from frontdef_corruptions.table import COMMON, CORRUPTIONS, explain_unknown


class GaussianNoiseParameters(frontdef.Config):
    """Of the accuracy under Gaussian noise."""

    sigma: tuple[Annotated[float, frontdef.field(gt=0)], ...] = frontdef.field(
        (0.1,), min_length=1, description="standard deviations, in [0,1] pixel values"
    )
    repeats: int = frontdef.field(3, ge=1, description="draws of noise for each image; their results are averaged")


class CorruptionsParameters(frontdef.Config):
    """Of the accuracy under common corruptions."""

    corruptions: tuple[str, ...] = frontdef.field(
        COMMON, min_length=1, description="ids of the corruptions; the fifteen of the benchmark without frost if absent"
    )
    severities: tuple[Annotated[int, frontdef.field(ge=1, le=5)], ...] = frontdef.field(
        SEVERITIES, min_length=1, description="severities, 1 to 5"
    )
    lengths: Literal["published", "relative"] = frontdef.field(
        "published",
        description="radii and standard deviations that are published in pixels of 32x32 images: as they are, or times "
        "the shorter side over 32",
    )

    @field_validator("corruptions")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in CORRUPTIONS:
                raise PydanticCustomError("unknown_name", "{reason}", {"reason": explain_unknown(name)})
        return names


def gaussian_noise(
    protected: Protected, x: Tensor, y: Tensor, parameters: GaussianNoiseParameters, seed: int
) -> Mapping[str, Tensor]:
    """Whether images with ``clip(x + σ·n, 0, 1)`` are classified correctly, n standard normal.

    Args:
        protected: The model.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        parameters: σ and repeats.
        seed: Of the noise: the same draws for every model.

    Returns:
        ``"σ=0.1"`` → share of the repeats with a correct prediction, float ``(N,)``.
    """
    images = x.cpu()
    by_sigma = {}
    for sigma in parameters.sigma:
        draws = Generator().manual_seed(seed)
        correct = torch.zeros(len(x))
        for _ in range(parameters.repeats):
            correct += _correct(protected, (images + sigma * torch.randn(x.shape, generator=draws)).clamp(0, 1), y)
        by_sigma[f"σ={sigma:g}"] = correct / parameters.repeats
    return by_sigma


def corruptions(
    protected: Protected, x: Tensor, y: Tensor, parameters: CorruptionsParameters, seed: int
) -> Mapping[str, Tensor]:
    """Whether corrupted images are classified correctly.

    Args:
        protected: The model.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        parameters: Which corruptions and severities.
        seed: Of the corruptions: the same draws for every model, and for a corruption whichever others are asked for.

    Returns:
        ``"fog 3"`` → 1 where the prediction is correct, else 0, float ``(N,)``; ``"mean"`` → each sample's mean.
    """
    images = x.cpu()
    pixel = 1.0 if parameters.lengths == "published" else min(x.shape[2:]) / 32
    by_corruption = {}
    for name in parameters.corruptions:
        for severity in parameters.severities:
            draws = Generator().manual_seed(seed + zlib.crc32(f"{name} {severity}".encode()))
            corrupted = CORRUPTIONS[name](images, severity, draws, pixel)
            by_corruption[f"{name} {severity}"] = _correct(protected, corrupted, y)
    return {**by_corruption, "mean": torch.stack(list(by_corruption.values())).mean(dim=0)}


def _correct(protected: Protected, images: Tensor, y: Tensor) -> Tensor:
    return (protected.predict(images).argmax(dim=1) == y.cpu()).float()
