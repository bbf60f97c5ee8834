"""Each surrogate is the gradient that it says it is, against numpy and numeric differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

BASES = [("bior4.4", 1, (1, 8, 8)), ("bior4.4", 2, (2, 9, 7)), ("coif1", 1, (1, 10, 6)), ("db1", 2, (3, 8, 4))]
basis = pytest.mark.parametrize(("wavelet", "levels", "shape"), BASES, ids=str)


def pulled(front_end, x, upstream):
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(front_end(x), x, upstream)
    return gradient


def upstream_for(x):
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)


@basis
def test_projection_is_analysis_mask_synthesis(make, images, reference, wavelet, levels, shape):
    front_end = make("projection", wavelet=wavelet, levels=levels, keep=0.2)
    x = images(3, *shape, dtype=torch.float64)
    upstream = upstream_for(x)
    for image, grad, own in zip(x.numpy(), upstream.numpy(), pulled(front_end, x, upstream), strict=True):
        mask = reference.support(image, front_end.n_kept(shape), front_end.config)
        np.testing.assert_allclose(own.numpy(), reference.project(grad, mask, front_end.config), rtol=0, atol=1e-9)


@basis
def test_adjoint_is_the_numeric_derivative_without_the_clip(make, images, reference, wavelet, levels, shape):
    """Column j of the Jacobian is how the reconstruction of a fixed support answers to pixel j."""
    front_end = make("adjoint", wavelet=wavelet, levels=levels, keep=0.2)
    x = images(1, *shape, dtype=torch.float64)
    upstream = upstream_for(x)
    mask = reference.support(x[0].numpy(), front_end.n_kept(shape), front_end.config)
    expected = np.zeros(x[0].numel())
    for pixel in range(x[0].numel()):
        step = np.zeros(x[0].numel())
        step[pixel] = 1e-4
        up, down = (
            reference.project(x[0].numpy() + sign * step.reshape(shape), mask, front_end.config) for sign in (1, -1)
        )
        expected[pixel] = ((up - down) / 2e-4 * upstream[0].numpy()).sum()
    own = pulled(front_end, x, upstream)[0].flatten().numpy()
    np.testing.assert_allclose(own, expected, rtol=0, atol=1e-8)


@basis
def test_true_passes_gradcheck_on_the_whole_front_end(make, images, wavelet, levels, shape):
    front_end = make("true", wavelet=wavelet, levels=levels, keep=0.2)
    x = images(1, *shape, dtype=torch.float64)
    magnitudes = front_end.select(x)[0].abs().flatten().sort(descending=True).values
    k = front_end.n_kept(shape)
    assert magnitudes[k - 1] - magnitudes[k] > 1e-4, "the support must not change within the step"
    assert torch.autograd.gradcheck(front_end, (x.requires_grad_(),), eps=1e-6, atol=1e-7)


def test_only_true_knows_the_clip(make):
    """Haar without the diagonal, [[0,0],[0,1]]: the first pixel is −¼ before the clip, the others are in (0,1).

    M·A keeps three of four orthonormal coefficients, so S·M·A = I − d·dᵀ with d = ½(1,−1,−1,1), and a gradient at the
    first pixel alone gives (¾, ¼, ¼, −¼); the clip cuts it off.
    """
    x = torch.tensor([[[[0.0, 0.0], [0.0, 1.0]]]])
    first = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    through = torch.tensor([[[[0.75, 0.25], [0.25, -0.25]]]])
    expected = {"projection": through, "adjoint": through, "true": torch.zeros_like(x), "identity": first}
    for surrogate, gradient in expected.items():
        own = pulled(make(surrogate, wavelet="db1", keep=0.75), x, first)
        torch.testing.assert_close(own, gradient, rtol=0, atol=1e-6, msg=surrogate)


@pytest.mark.parametrize(("wavelet", "same"), [("db1", True), ("coif1", True), ("bior4.4", False)])
def test_projection_is_the_adjoint_only_for_an_orthonormal_basis(make, images, wavelet, same):
    x = images(4, 1, 28, 28, dtype=torch.float64)
    upstream = upstream_for(x)
    projection, adjoint = (pulled(make(name, wavelet=wavelet), x, upstream) for name in ("projection", "adjoint"))
    difference = (projection - adjoint).abs().max() / adjoint.abs().max()
    assert (difference < 1e-9) if same else (difference > 0.1)


def test_identity_hands_the_gradient_through(make, images):
    x = images(2, 1, 28, 28)
    upstream = upstream_for(x)
    assert torch.equal(pulled(make("identity"), x, upstream), upstream)


def test_projection_is_the_default_and_the_forward_pass_is_the_same_for_all(make, images):
    x = images(3, 1, 28, 28)
    front_end = make()
    assert str(front_end.surrogate) == "projection"
    outputs = []
    for surrogate in front_end.surrogates:
        front_end.select_surrogate(surrogate)
        outputs.append(front_end(x))
    assert len(outputs) == 4
    assert all(torch.equal(output, outputs[0]) for output in outputs)


@pytest.mark.parametrize("surrogate", ["projection", "adjoint", "true"])
def test_the_gradient_can_be_differentiated_again(make, images, surrogate):
    """The pull-back is linear in the gradient, so its own derivative towards the gradient is its transpose."""
    x = images(1, 1, 8, 8, dtype=torch.float64).requires_grad_()
    upstream = torch.ones_like(x).requires_grad_()
    front_end = make(surrogate, keep=0.2)
    (gradient,) = torch.autograd.grad(front_end(x), x, upstream, create_graph=True)
    probe = upstream_for(x.detach())
    (again,) = torch.autograd.grad(gradient, upstream, probe)
    torch.testing.assert_close((again * upstream).sum(), (gradient * probe).sum())
