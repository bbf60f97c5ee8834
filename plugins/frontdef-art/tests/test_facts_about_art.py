"""Why this plugin exists: what ART 1.20.1 does with its own preprocessors in a PyTorchClassifier.

Each test pins a behavior that docs/defenses/art.md reports. A failure here means that ART changed: read the new
behavior, then correct the page.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from art.defences import preprocessor as art
from art.estimators.classification import PyTorchClassifier
from scipy.optimize import approx_fprime
from torch import nn

BOX = (0.0, 1.0)
ONE_HOT = np.eye(10, dtype=np.float32)[[3, 1, 4]]
NUMPY_2 = int(np.__version__.split(".")[0]) >= 2


def _linear(inputs=784):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 10))


def _classifier(model, *defences, **more):
    return PyTorchClassifier(
        model,
        nn.CrossEntropyLoss(),
        (1, 28, 28),
        10,
        clip_values=(0, 1),
        preprocessing_defences=list(defences),
        device_type="cpu",
        **more,
    )


def test_a_numpy_preprocessor_gives_the_identity_gradient_at_the_smoothed_image(gray):
    """And not the median's own derivative, which exists."""
    images, model = gray[:3], _linear()
    smoothing = art.SpatialSmoothing(channels_first=True)
    through_art = _classifier(model, smoothing).loss_gradient(images.numpy(), ONE_HOT)
    at = torch.from_numpy(smoothing(images.numpy())[0]).requires_grad_()
    nn.functional.cross_entropy(model(at), torch.from_numpy(ONE_HOT)).backward()
    np.testing.assert_allclose(through_art, at.grad.numpy(), rtol=1e-5, atol=1e-9)


def test_two_numpy_preprocessors_do_not_chain(gray):
    classifier = _classifier(
        _linear(), art.SpatialSmoothing(channels_first=True), art.JpegCompression(BOX, channels_first=True)
    )
    with pytest.raises(NotImplementedError, match="combination of preprocessing"):
        classifier.loss_gradient(gray[:3].numpy(), ONE_HOT)
    with pytest.raises(NotImplementedError, match="combination of preprocessing"):
        classifier.predict(gray[:3].numpy())


@pytest.mark.skipif(not NUMPY_2, reason="numpy 1 kept float32")
def test_feature_squeezing_returns_float64_under_numpy_2_and_no_float32_model_takes_it(gray):
    squeezing = art.FeatureSqueezing(clip_values=BOX, bit_depth=3)
    assert squeezing(gray.numpy())[0].dtype == np.float64
    with pytest.raises(RuntimeError, match="dtype"):
        _classifier(_linear(), squeezing).predict(gray[:3].numpy())


def test_total_variation_minimization_takes_columns_for_channels_where_pytorch_has_channels_first(gray):
    """Every column is smoothed on its own, as an image of 1×28: differences between columns never count."""
    images = gray[:2].numpy()
    tv_min = art.TotalVarMin(clip_values=BOX, prob=1.0, lamb=5.0, max_iter=50)
    columns = []
    for column in range(28):
        columns.append(tv_min(images[:, :, :, column : column + 1].copy())[0])
    np.testing.assert_array_equal(tv_min(images)[0], np.concatenate(columns, axis=3))


@pytest.mark.parametrize(("norm", "right"), [(1, True), (2, False), (3, False)])
def test_the_gradient_that_total_variation_minimization_gives_its_solver(norm, right):
    """For p = 2 it is twice the derivative of the total variation; for p = 3 it lacks the sign too."""
    rng = np.random.default_rng(0)
    point, image = rng.random(36), rng.random((6, 6))
    arguments = (image, np.zeros((6, 6)), norm, 0.5)  # no data term
    gradient = art.TotalVarMin._deri_loss_func(point, *arguments)
    numeric = approx_fprime(point, art.TotalVarMin._loss_func, 1e-7, *arguments)
    assert np.allclose(gradient, numeric, atol=1e-5) is right
    if norm == 2:
        np.testing.assert_allclose(gradient, 2 * numeric, atol=1e-5)


def test_thermometer_gradients_need_a_classifier_without_standardization(gray):
    """ART's standardization, on by default, takes the encoded gradient for class gradients: the shapes differ."""
    thermometer = art.ThermometerEncoding(clip_values=BOX, channels_first=True)
    images, model = gray[:3].numpy(), _linear(7840)
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        _classifier(model, thermometer).loss_gradient(images.copy(), ONE_HOT)
    bare = _classifier(model, thermometer, preprocessing=None)
    assert np.abs(bare.loss_gradient(images.copy(), ONE_HOT)).max() > 0
    with pytest.raises(ValueError, match=r"axes|broadcast|shape"):
        bare.class_gradient(images.copy())


def test_thermometer_gradients_are_zero_at_black_pixels_and_one_at_the_constant_plane(gray):
    thermometer = art.ThermometerEncoding(clip_values=BOX, num_space=4, channels_first=True)
    images = gray[:3].numpy()
    first_plane = np.zeros((3, 4, 28, 28), dtype=np.float32)
    first_plane[:, 0] = 1
    assert (thermometer(images.copy())[0][:, 0] == 1).all()
    np.testing.assert_array_equal(thermometer.estimate_gradient(images, first_plane), images > 0)
    assert (thermometer.estimate_gradient(images, np.ones_like(first_plane))[images == 0] == 0).all()


def test_thermometer_clips_the_callers_array_in_place():
    images = np.array([-1.0, 2.0], dtype=np.float32).reshape(1, 1, 1, 2)
    art.ThermometerEncoding(clip_values=BOX, channels_first=True)(images)
    assert images.flatten().tolist() == [0, 1]


def test_jpeg_truncates_and_wraps():
    """A pixel of 99.9/255 becomes 99, and 1.2 becomes 306 − 256 = 50; all 8-bit values survive."""
    compress = art.JpegCompression(clip_values=BOX, channels_first=True, quality=100)
    flat = np.ones((1, 1, 8, 8), dtype=np.float32)
    levels = flat * np.arange(256, dtype=np.float32).reshape(-1, 1, 1, 1) / 255
    np.testing.assert_allclose(compress(levels)[0], levels, atol=1e-6)
    np.testing.assert_allclose(compress(flat * np.float32(99.9 / 255))[0] * 255, 99, atol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy may call the cast invalid
        assert abs(compress(flat * np.float32(1.2))[0] * 255 - 50).max() < 1.01
    with pytest.raises(ValueError, match="Negative"):
        compress(-flat)


def test_gaussian_augmentation_does_nothing_at_prediction_unless_told(gray):
    classifier = _classifier(_linear(), art.GaussianAugmentation(sigma=1.0))
    bare = _classifier(_linear())
    np.testing.assert_array_equal(classifier.predict(gray.numpy()), bare.predict(gray.numpy()))


@pytest.mark.parametrize(("window", "inside"), [(3, True), (4, False), (5, True)])
def test_the_two_spatial_smoothings_differ(window, inside):
    """At the borders for odd windows, everywhere for even ones."""
    images = np.random.default_rng(0).random((2, 1, 28, 28), dtype=np.float32)
    in_numpy = art.SpatialSmoothing(window, channels_first=True)(images)[0]
    in_torch = art.SpatialSmoothingPyTorch(window, channels_first=True, device_type="cpu")(images)[0]
    half = window // 2
    crop = (..., slice(half, -half), slice(half, -half))
    assert np.array_equal(in_numpy[crop], in_torch[crop]) is inside
    assert np.abs(in_numpy - in_torch).max() > 0.3


@pytest.mark.parametrize(("clip_values", "share"), [(None, 1.0), (BOX, 0.5)])
def test_the_clip_of_the_torch_smoothing_halves_the_gradient_of_black_pixels(clip_values, share):
    """With torch 2.15, whose clamp between tensors shares the gradient at a bound; before, all of it passed."""
    if clip_values and tuple(map(int, torch.__version__.split(".")[:2])) < (2, 15):
        pytest.skip("an older torch")
    black = torch.zeros(1, 1, 8, 8, requires_grad=True)
    smoothing = art.SpatialSmoothingPyTorch(channels_first=True, clip_values=clip_values, device_type="cpu")
    (grad,) = torch.autograd.grad(smoothing.forward(black)[0].sum(), black)
    assert grad.sum() == share * 64
