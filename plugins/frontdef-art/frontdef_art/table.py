"""The defenses, one row each; references are strings, so that listing them imports neither torch nor ART."""

from __future__ import annotations

from typing import Any

from frontdef.defense import Defense


def _row(name: str, cls: str, config: str, paper: str, summary: str, **more: Any) -> Defense:
    return Defense(
        name,
        front_end=f"frontdef_art.front_ends:{cls}",
        config=f"frontdef_art.configs:{config}",
        paper=paper,
        summary=summary,
        **more,
    )


DEFENSES: tuple[Defense, ...] = (
    _row(
        "art-jpeg",
        "Jpeg",
        "JpegConfig",
        "arXiv:1608.00853",
        "JPEG compression and decompression (ART's JpegCompression)",
    ),
    _row(
        "art-feature-squeezing",
        "FeatureSqueezing",
        "FeatureSqueezingConfig",
        "arXiv:1704.01155",
        "fewer bits a pixel (ART's FeatureSqueezing)",
    ),
    _row(
        "art-spatial-smoothing",
        "SpatialSmoothing",
        "SpatialSmoothingConfig",
        "arXiv:1704.01155",
        "median filter with scipy's borders (ART's SpatialSmoothing)",
    ),
    _row(
        "art-spatial-smoothing-pytorch",
        "SpatialSmoothingPyTorch",
        "SpatialSmoothingConfig",
        "arXiv:1704.01155",
        "median filter with torch's borders and lower median (ART's SpatialSmoothingPyTorch)",
    ),
    _row(
        "art-tv-min",
        "TvMin",
        "TvMinConfig",
        "arXiv:1711.00117",
        "keep random pixels, minimize total variation (ART's TotalVarMin); slow",
        randomized=True,
    ),
    _row(
        "art-thermometer",
        "Thermometer",
        "ThermometerConfig",
        "https://openreview.net/forum?id=S18Su--CW",
        "unary code of each pixel's level; num_space times the channels (ART's ThermometerEncoding)",
    ),
    _row(
        "art-gaussian-augmentation",
        "GaussianAugmentation",
        "GaussianAugmentationConfig",
        "arXiv:1707.06728",
        "fresh Gaussian noise at test time (ART's GaussianAugmentation, augmentation=False)",
        randomized=True,
    ),
)
