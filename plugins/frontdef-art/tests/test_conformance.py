"""Every promise of a front end, by the kit that comes with frontdef, on small images."""

from __future__ import annotations

from frontdef import Stage
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
    defense = "art-tv-min"  # an optimization for each image, in each pass
    config = {"max_iter": 3}  # noqa: RUF012
    image_shape = (1, 8, 8)
    train_images, test_images = 150, 32
    stages = (Stage(epochs=4, lr=3e-2, batch_size=16),)
