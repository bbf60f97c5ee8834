"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

from frontdef.testing import DefenseConformance


class TestFeatureSqueezing(DefenseConformance):
    defense = "art-feature-squeezing"


class TestSpatialSmoothing(DefenseConformance):
    defense = "art-spatial-smoothing"


class TestSpatialSmoothingPytorch(DefenseConformance):
    defense = "art-spatial-smoothing-pytorch"


class TestGaussianAugmentation(DefenseConformance):
    defense = "art-gaussian-augmentation"


class TestJpeg(DefenseConformance):
    defense = "art-jpeg"


class TestThermometer(DefenseConformance):
    defense = "art-thermometer"


class TestTvMin(DefenseConformance):
    defense = "art-tv-min"
