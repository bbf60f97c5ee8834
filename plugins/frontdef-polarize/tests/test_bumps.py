"""The bumps, the stages that use them, and what training with them does."""

from __future__ import annotations

import math

import pytest
import torch
from frontdef_polarize.config import PolarizeConfig, midpoints
from frontdef_polarize.recipes import recipe
from torch import nn


@pytest.fixture
def two_pixels(make):
    """A front end whose activations are the pixels 0.2 and 0.7 themselves, and these pixels."""
    front_end = make([[[[2.0]]]], image_shape=(1, 1, 2), clusters=(2, 5))
    return front_end, torch.tensor([[[[0.2, 0.7]]]])


@pytest.mark.parametrize(
    ("name", "centers", "sigma"),
    [
        ("spread", [0], 0.35),
        ("polarize", [-0.5, 0.5], 0.15),
        ("cluster-2", [0], 0.15),
        ("cluster-5", [-0.75, -0.25, 0.25, 0.75], 0.15),
    ],
)
def test_bumps_by_hand(two_pixels, name, centers, sigma):
    front_end, x = two_pixels
    expected = sum(math.exp(-((z - c) ** 2) / (2 * sigma**2)) for z in (0.2, 0.7) for c in centers) / 2
    assert front_end.penalties()[name](x, nn.Identity()).item() == pytest.approx(expected, rel=1e-5)


def test_their_widths_are_configurable(make, images):
    x = images(2, 1, 28, 28)
    wide, narrow = make(sigma1=1.0, sigma2=0.5), make(sigma1=0.1, sigma2=0.05)
    for name in ("spread", "polarize"):
        assert wide.penalties()[name](x, nn.Identity()) > narrow.penalties()[name](x, nn.Identity())


def test_midpoints():
    assert midpoints(2) == (0,)
    assert midpoints(3) == (-0.5, 0.5)
    assert midpoints(5) == (-0.75, -0.25, 0.25, 0.75)


def test_the_stages_of_the_paper():
    first, second, third = recipe(PolarizeConfig(), "mnist")
    for stage, penalty in ((first, "spread"), (second, "polarize")):
        assert (stage.penalty, stage.epochs, stage.lr, stage.mode) == (penalty, 20, 1e-3, "unquantized")
        assert (stage.loss, stage.trains, stage.batch_size) == ("cross-entropy", "all", 64)
        assert [stage.weight(epoch) for epoch in (0, 19)] == [0, 1]
        assert stage.weight(10) - stage.weight(9) == pytest.approx(1 / 19)
    assert (third.trains, third.mode, third.penalty, third.epochs, third.lr) == ("classifier", "", "", 20, 1e-3)
    assert third.schedule == "cosine"
    assert third.final_lr is None


def test_the_stages_of_the_code():
    """λ = epoch/20, so 0.95 at the end; the learning rate falls to a tenth at epoch 51 of 60, the 11th of stage 3."""
    first, second, third = recipe(PolarizeConfig(schedule="code"), "mnist")
    for stage in (first, second):
        assert [stage.weight(epoch) for epoch in (0, 1, 19)] == pytest.approx([0, 0.05, 0.95])
    assert (third.schedule, third.milestones) == ("steps", (11,))


def test_clusters_add_stages():
    names = [stage.name for stage in recipe(PolarizeConfig(clusters=(3, 5)), "mnist")]
    assert names == ["spread", "cluster-3", "cluster-5", "polarize", "adapt"]


def test_pixels_need_one_stage_and_epochs_are_configurable():
    (only,) = recipe(PolarizeConfig(source="pixels", epochs=3), "mnist")
    assert (only.name, only.epochs, only.trains) == ("adapt", 3, "classifier")
    assert [stage.epochs for stage in recipe(PolarizeConfig(epochs=5, schedule="code"), "mnist")] == [5, 5, 5]


def test_training_polarizes_and_freezes(trained, digits):
    """Activations leave 0, then the thresholds; the last stage leaves the filters alone; the classifier works."""
    protected, log = trained("filters")
    front_end = protected.front_end
    front_end.require_trained()
    drawn, spread, polarized = front_end.history
    assert torch.equal(front_end.filters, polarized)
    z = [front_end.activations(digits.images, weights) for weights in (drawn, spread, polarized)]
    far = [(values.abs() > 0.5).float().mean() for values in z]
    assert far[0] < 0.02 < far[1]
    bump = front_end.penalties()["polarize"]
    front_end.filters.data = spread
    before = bump(digits.images, nn.Identity())
    front_end.filters.data = polarized
    assert bump(digits.images, nn.Identity()) < 0.95 * before
    assert (protected.predict(digits.images).argmax(1) == digits.labels).float().mean() > 0.9
    assert log.precomputed  # of the last stage: the codes do not change


def test_pixels_train_too(trained, digits):
    protected, _ = trained("pixels")
    assert (protected.predict(digits.images).argmax(1) == digits.labels).float().mean() > 0.9
