"""The forward pass is that of PyWavelets: analysis, the K largest, synthesis, clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 7, 5), (2, 9, 12), (1, 15, 28), (3, 11, 11)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("wavelet", ["db1", "coif1", "bior4.4"])
def test_forward_is_the_reference(make, images, reference, wavelet, levels, shape):
    x = images(4, *shape)
    front_end = make(wavelet=wavelet, levels=levels, keep=0.1)
    k = int(np.prod(shape)) // 10
    expected = reference.sparsify(x.numpy(), k, front_end.config)
    assert front_end(x).dtype == torch.float32
    np.testing.assert_allclose(front_end(x).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("keep", [0.03, 0.3, 1.0])
@pytest.mark.parametrize("channels", ["joint", "separate"])
def test_joint_and_separate_channels(make, images, reference, channels, keep):
    x = images(4, 3, 14, 16) * torch.tensor([1.0, 0.5, 0.1])[:, None, None]
    front_end = make(keep=keep, channels=channels)
    n_values = 14 * 16 * (3 if channels == "joint" else 1)
    expected = reference.sparsify(x.numpy(), int(keep * n_values), front_end.config)
    np.testing.assert_allclose(front_end(x).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize(
    "mode", ["zero", "constant", "symmetric", "periodic", "smooth", "reflect", "antisymmetric", "antireflect"]
)
def test_other_signal_extensions(make, images, reference, mode, levels):
    x = images(3, 1, 13, 20)
    front_end = make(mode=mode, levels=levels, keep=0.1)
    expected = reference.sparsify(x.numpy(), 26, front_end.config)
    np.testing.assert_allclose(front_end(x).numpy(), expected, rtol=0, atol=1e-5)


def test_coefficients_are_those_of_pywavelets_in_their_order(make, images, reference):
    """Equal to the last bit of float32, because the analysis runs in float64: the selection hangs on it."""
    front_end = make(levels=2)
    x = images(2, 3, 15, 10)
    coefficients, mask = front_end.select(x)
    for image, own, kept in zip(x.double().numpy(), coefficients, mask, strict=True):
        expected = reference.decompose(image, front_end.config)[0].astype(np.float32)
        np.testing.assert_array_equal(own.numpy(), expected)
        np.testing.assert_array_equal(kept.numpy(), reference.support(image, 3 * 15 * 10 * 3 // 100, front_end.config))


@pytest.mark.parametrize(("keep", "k"), [(0.03, 23), (0.29, 227), (0.3, 235), (1 / 784, 1), (23 / 784, 23)])
def test_k_is_the_floor_of_rho_n(make, images, keep, k):
    assert make(keep=keep).n_kept((1, 28, 28)) == k
    _, mask = make(keep=keep).select(images(5, 1, 28, 28))
    assert mask.flatten(1).sum(1).tolist() == [k] * 5


def test_the_output_has_exactly_k_coefficients(make, images, reference):
    """Where the clip does nothing, PyWavelets finds K coefficients in the output: bior4.4 on even sizes is a basis."""
    x = 0.5 + 0.2 * (images(3, 1, 28, 28) - 0.5)
    output = make(keep=0.3)(x).double().numpy()
    assert output.min() > 0
    assert output.max() < 1
    for image in output:
        assert (np.abs(reference.decompose(image, make().config)[0]) > 1e-5).sum() == 235


def test_haar_by_hand(make):
    """Approximation 1, horizontal .4, vertical 0, diagonal .2: the two largest give the row means."""
    x = torch.tensor([[[[0.8, 0.6], [0.2, 0.4]]]])
    coefficients, _ = make(wavelet="db1").select(x, 4)
    torch.testing.assert_close(coefficients, torch.tensor([[[1.0, 0.0, 0.4, 0.2]]]), rtol=0, atol=1e-6)
    expected = {0.25: [[0.5, 0.5], [0.5, 0.5]], 0.5: [[0.7, 0.7], [0.3, 0.3]], 0.75: [[0.8, 0.6], [0.2, 0.4]]}
    for keep, rows in expected.items():
        output = make(wavelet="db1", keep=keep)(x)
        torch.testing.assert_close(output, torch.tensor([[rows]]), rtol=0, atol=1e-6)


def test_the_clip_by_hand(make):
    """[[0,0],[0,1]]: approximation ½, and ∓½ for the details; without the diagonal the first pixel would be −¼."""
    x = torch.tensor([[[[0.0, 0.0], [0.0, 1.0]]]])
    output = make(wavelet="db1", keep=0.75)(x)
    torch.testing.assert_close(output, torch.tensor([[[[0.0, 0.25], [0.25, 0.75]]]]), rtol=0, atol=1e-6)


def test_keeping_all_is_the_identity_for_even_sizes(make, images):
    x = images(2, 3, 28, 14)
    torch.testing.assert_close(make(keep=1.0)(x), x, rtol=0, atol=1e-6)
