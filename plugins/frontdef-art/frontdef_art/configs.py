"""The configurations: ART's own parameters under ART's own names, with ART's own defaults."""

from __future__ import annotations

from typing import Literal

from frontdef.config import Config, field


class JpegConfig(Config):
    """Parameters of `art-jpeg`."""

    quality: int = field(50, ge=1, le=100, description="libjpeg quality, from 1 (smallest file) to 100")


class FeatureSqueezingConfig(Config):
    """Parameters of `art-feature-squeezing`."""

    bit_depth: int = field(8, ge=1, le=64, description="bits a value; 2^bit_depth evenly spaced levels in [0,1]")


class SpatialSmoothingConfig(Config):
    """Parameters of `art-spatial-smoothing` and `art-spatial-smoothing-pytorch`."""

    window_size: int = field(3, ge=1, description="side of the square window, in pixels")


class TvMinConfig(Config):
    """Parameters of `art-tv-min`."""

    prob: float = field(0.3, ge=0, le=1, description="probability that a pixel is kept in the data term")
    norm: int = field(2, ge=1, description="p of the norm of rows and columns of differences")
    lamb: float = field(0.5, ge=0, description="weight of the total variation against the data term")
    solver: Literal["L-BFGS-B", "CG", "Newton-CG"] = field("L-BFGS-B", description="scipy's optimizer")
    max_iter: int = field(10, ge=1, description="optimizer iterations an image and channel")


class ThermometerConfig(Config):
    """Parameters of `art-thermometer`."""

    num_space: int = field(10, ge=2, description="levels a value; the output has num_space times the channels")


class GaussianAugmentationConfig(Config):
    """Parameters of `art-gaussian-augmentation`."""

    sigma: float = field(1.0, ge=0, description="standard deviation of the noise, in [0,1] pixel values")
