"""The front ends: a row of data each, which says what ART class computes the value and which surrogates there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from art.defences import preprocessor as art
from torch import Tensor

from frontdef import bpda
from frontdef.errors import ConfigError
from frontdef.frontend import FrontEnd
from frontdef_art import configs
from frontdef_art.base import ArtFrontEnd, ArtPreprocessor, straight_through
from frontdef_art.jpeg import jpeg
from frontdef_art.layouts import CHANNELS_LAST, PIXELS
from frontdef_art.median import median_filter
from frontdef_art.thermometer import ramps, sigmoids

BOX = (0.0, 1.0)
MAX_SMOOTH_BITS = 8

DIFFERENTIABLE = bpda.Surrogate("differentiable", doc="the derivative of JPEG with cubic rounding (Shin & Song 2017)")
RAMP = bpda.Surrogate("ramp", doc="the derivative of min(max(x - k/num_space, 0), 1), plane by plane (ART's own)")
MEDIAN = bpda.Surrogate("true", doc="the true derivative: to the pixel that is the median")
CLIPPED = bpda.Surrogate("true", doc="the true derivative of the draw: 0 where the noisy pixel was clipped, else 1")


def _levels(x: Tensor, exact: Tensor, config: configs.FeatureSqueezingConfig, surrogate: bpda.Surrogate) -> Tensor:
    if config.bit_depth > MAX_SMOOTH_BITS:
        raise ConfigError(
            f"the smooth surrogate keeps 2^bit_depth values a pixel in memory, so it ends at {MAX_SMOOTH_BITS} bits; "
            f"got bit_depth={config.bit_depth}. Mend: surrogate='identity', from which it hardly differs at this depth"
        )
    return bpda.quantize(x, 2**config.bit_depth, surrogate)


def _sigmoids(x: Tensor, exact: Tensor, config: configs.ThermometerConfig, surrogate: bpda.Surrogate) -> Tensor:
    assert surrogate.steepness is not None
    return sigmoids(x, config.num_space, surrogate.steepness)


class Jpeg(ArtFrontEnd[configs.JpegConfig]):
    """JPEG compression (Dziugaite et al. 2016, arXiv:1608.00853; Das et al. 2017, arXiv:1705.02900).

    Three channels are coded as RGB with 4:2:0 chroma, of any other number each as gray. ART truncates to 8 bits.
    """

    row = ArtPreprocessor(
        art.JpegCompression,
        gradients={
            bpda.IDENTITY: straight_through,
            DIFFERENTIABLE: lambda x, exact, config, surrogate: jpeg(x, config.quality),
        },
        fixed={"clip_values": BOX, "channels_first": True},
    )


class FeatureSqueezing(ArtFrontEnd[configs.FeatureSqueezingConfig]):
    """Bit depth reduction (Xu et al. 2018, arXiv:1704.01155). ART rounds halves to even."""

    row = ArtPreprocessor(
        art.FeatureSqueezing,
        gradients={bpda.IDENTITY: straight_through, bpda.SMOOTH: _levels},
        fixed={"clip_values": BOX},
    )


class SpatialSmoothing(ArtFrontEnd[configs.SpatialSmoothingConfig]):
    """Median filter (Xu et al. 2018, arXiv:1704.01155) with scipy's borders."""

    row = ArtPreprocessor(
        art.SpatialSmoothing,
        gradients={
            MEDIAN: lambda x, exact, config, surrogate: median_filter(x, config.window_size),
            bpda.IDENTITY: straight_through,
        },
        fixed={"clip_values": BOX, "channels_first": True},
    )


class TvMin(ArtFrontEnd[configs.TvMinConfig]):
    """Total variation minimization (Guo et al. 2018, arXiv:1711.00117): a random mask, then an optimizer.

    ART's class has no ``channels_first`` and takes the last axis for channels, so it is handed ``(N,H,W,C)``.
    """

    row = ArtPreprocessor(
        art.TotalVarMin,
        gradients={bpda.IDENTITY: straight_through},
        fixed={"clip_values": BOX},
        layout=CHANNELS_LAST,
    )
    randomized = True


class Thermometer(ArtFrontEnd[configs.ThermometerConfig]):
    """Thermometer encoding (Buckman et al. 2018): ``(N,C,H,W)`` → ``(N,C·num_space,H,W)`` of zeros and ones.

    Plane ``k`` of a channel is 1 where ``x > k/num_space``; plane 0 is 1 always.
    """

    row = ArtPreprocessor(
        art.ThermometerEncoding,
        gradients={
            bpda.SMOOTH: _sigmoids,
            RAMP: lambda x, exact, config, surrogate: ramps(x, config.num_space),
        },
        fixed={"clip_values": BOX, "channels_first": True},
        layout=PIXELS,
    )

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """The share of a value's planes that are lit, as an image."""
        with torch.no_grad():
            lit = self(images).view(*images.shape[:2], self.config.num_space, *images.shape[2:]).mean(2)
        return {"share of lit levels": lit}


class GaussianAugmentation(ArtFrontEnd[configs.GaussianAugmentationConfig]):
    """Gaussian noise at test time (Zantedeschi et al. 2017, arXiv:1707.06728), clipped to [0,1].

    With ART's default ``augmentation=True`` the class enlarges training sets and does nothing at prediction.
    """

    row = ArtPreprocessor(
        art.GaussianAugmentation,
        gradients={
            CLIPPED: lambda x, exact, config, surrogate: x * ((exact > 0) & (exact < 1)),
            bpda.IDENTITY: straight_through,
        },
        fixed={"clip_values": BOX, "augmentation": False},
    )
    randomized = True


class SpatialSmoothingPyTorch(FrontEnd[configs.SpatialSmoothingConfig]):
    """ART's own PyTorch median filter, by kornia: another function than its numpy one (see docs/defenses/art.md).

    torch's "reflect" borders do not repeat the edge pixel, and of two middle values the smaller is the median.
    """

    surrogates = (MEDIAN,)

    def __init__(
        self,
        config: configs.SpatialSmoothingConfig,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | bpda.Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        self.preprocessor = art.SpatialSmoothingPyTorch(channels_first=True, **config.model_dump())

    def forward(self, x: Tensor) -> Tensor:
        """Apply ART's preprocessor, which autograd differentiates.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1], each side longer than half the window.

        Returns:
            ``(N,C,H,W)`` in [0,1].
        """
        smoothed: Tensor = self.preprocessor.forward(x)[0]
        # ART's own clip never acts on images in [0,1], yet with torch 2.15 it halves the gradient at exactly 0 and 1
        return bpda.replace_gradient(smoothed.clamp(0, 1), smoothed) if smoothed.requires_grad else smoothed.clamp(0, 1)
