"""Each surrogate is the gradient that it says it is, on one patch and against a formula written out densely."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsecode.surrogates import BACKWARD, SURROGATES

CONFIG = {"atoms": 24, "top": 2, "eps": 0.05, "beta": 2.0}


def pulled(front_end, x, upstream):
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(front_end.encode(x), x, upstream)
    return gradient


def dense(front_end, x, reach, activation, steepness, upstream):
    """Σ_l upstream_l · slope(c_l) · d_l over the ``reach`` largest coefficients of the only patch."""
    atoms, norms = front_end.atoms.flatten(1).double(), front_end.norms.double()
    c = atoms @ x.flatten().double()
    order = sorted(range(len(c)), key=lambda k: -abs(c[k].item()))[:reach]
    slope = torch.ones_like(c)
    if activation == "smooth":
        y, j, s = c / norms, front_end.threshold, steepness
        slope = 0.5 * s * (torch.cosh(s * (y - j)) ** -2 + torch.cosh(s * (y + j)) ** -2)
    if not front_end.config.signed:
        slope = slope * c.sign()
    return sum(upstream[k].double() * slope[k] * atoms[k] for k in order).view_as(x).float()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("name", BACKWARD)
def test_gradient_is_the_formula(make, images, name, signed):
    front_end = make(shape=(1, 4, 4), surrogate=name, signed=signed, **CONFIG)
    x = images(1, 1, 4, 4)
    upstream = torch.randn(1, 24, 1, 1, generator=torch.Generator().manual_seed(1))
    reach = {"": 2, "-top-2t": 4, "-top-5t": 10, "-top-10t": 20, "-all": 24}
    activation, _, suffix = name.partition("-")
    expected = dense(front_end, x[0], reach[f"-{suffix}" if suffix else ""], activation, 4.0, upstream[0, :, 0, 0])
    torch.testing.assert_close(pulled(front_end, x, upstream)[0], expected, rtol=1e-5, atol=1e-6)


def test_the_steepness_is_the_attackers_choice(make, images):
    x, upstream = images(1, 1, 4, 4), torch.ones(1, 24, 1, 1)
    for steepness in (1.0, 16.0):
        front_end = make(shape=(1, 4, 4), surrogate=f"smooth:{steepness:g}", **CONFIG)
        expected = dense(front_end, x[0], 2, "smooth", steepness, upstream[0, :, 0, 0])
        torch.testing.assert_close(pulled(front_end, x, upstream)[0], expected, rtol=1e-5, atol=1e-6)


def test_autoencoder_hands_the_gradient_through(make, images):
    front_end, x = make(surrogate="autoencoder", atoms=32, top=4), images(2, 1, 28, 28).requires_grad_()
    upstream = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(front_end(x), x, upstream)
    assert torch.equal(gradient, upstream)
    front_end(x).sum().backward()
    assert front_end.decoder.first.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("randomized", [False, True])
def test_the_forward_pass_is_the_same_for_all(make, images, randomized):
    front_end, outputs = make(randomized, atoms=64, top=8), []
    for surrogate in SURROGATES:
        front_end.select_surrogate(surrogate)
        front_end.reseed(0)
        outputs.append(front_end(images(2, 1, 28, 28).requires_grad_()).detach())
    assert len(outputs) == 8
    assert all(torch.equal(output, outputs[0]) for output in outputs)


def test_a_dropped_coefficient_gets_no_gradient(make, images):
    """The gradient is that of the draw: along the surviving atoms only."""
    front_end = make(True, shape=(1, 4, 4), surrogate="identity-all", dropout=0.5, **CONFIG | {"top": 24, "beta": 1e-6})
    x = images(1, 1, 4, 4)
    for seed in range(5):
        front_end.reseed(seed)
        kept = (front_end.encode(x) != 0).flatten()
        front_end.reseed(seed)
        expected = front_end.atoms[kept].sum(0)
        torch.testing.assert_close(pulled(front_end, x, torch.ones(1, 24, 1, 1))[0], expected, rtol=1e-5, atol=1e-6)
        assert 0 < kept.sum() < 24


def test_further_reach_meets_coefficients_that_may_enter(make, images):
    """With U > T the gradient also leads along atoms that the forward pass zeroes: it sees a way into the top T."""
    x = images(1, 1, 4, 4)
    narrow, wide = (make(shape=(1, 4, 4), surrogate=f"smooth{suffix}", **CONFIG) for suffix in ("", "-top-2t"))
    outside = (narrow.encode(x) == 0).float()
    assert pulled(narrow, x, outside).abs().sum() < pulled(wide, x, outside).abs().sum()
