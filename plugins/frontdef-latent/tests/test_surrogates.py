"""The three gradients of a projection, each against what it says it is."""

from __future__ import annotations

import pytest
import torch
from frontdef_latent.config import DescentConfig
from frontdef_latent.descent import Descent
from frontdef_latent.surrogates import jacobian_of, pseudo_inverse
from torch import nn


def pulled(front_end, x, upstream):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(front_end(x), x, upstream)[0]


def upstream_for(codes):
    return torch.randn(codes, 32, generator=torch.Generator().manual_seed(1))


def test_unrolled_is_the_numeric_derivative(build, images):
    front_end = build("latent-vae-projection", latent=4, hidden=6, steps=30).double()
    x = images(2, 1, 4, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(front_end, (x,), eps=1e-6, atol=1e-6)


def test_unrolled_counts_the_start_too(build, images):
    front_end = build("latent-ae-projection", latent=4, steps=3, start="encoder").double()
    x = images(2, 1, 4, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(front_end, (x,), eps=1e-6, atol=1e-6)


def test_encoder_is_the_gradient_of_the_encoder(build, images):
    x = images(3, 1, 4, 4)
    for projection, encoding in (("latent-ae-projection", "latent-ae"), ("latent-vae-projection", "latent-vae")):
        gradient = pulled(build(projection, "encoder", steps=5), x, upstream_for(3))
        torch.testing.assert_close(gradient, pulled(build(encoding), x, upstream_for(3)))


def test_the_pseudo_inverse_by_hand():
    """D(z) = (2z, z): J = (2,1), JᵀJ + δ = 5 + 1, so dz/dx = (2,1)/6, at any code."""
    decoder = nn.Linear(1, 2, bias=False)
    decoder.weight.data = torch.tensor([[2.0], [1.0]])
    flat = torch.rand(3, 2).requires_grad_()
    stand_in = pseudo_inverse(decoder, torch.randn(3, 1), flat, damping=1.0)
    (gradient,) = torch.autograd.grad(stand_in.sum(), flat)
    torch.testing.assert_close(gradient, torch.tensor([[2.0, 1.0]]).expand(3, 2) / 6)


def test_the_jacobian_is_the_numeric_one():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(0.1), nn.Linear(5, 6), nn.Sigmoid()).double()
        code = torch.randn(4, 3, dtype=torch.float64)
    jacobian = jacobian_of(decoder, code)
    for column, step in enumerate(1e-6 * torch.eye(3).double()):
        numeric = (decoder(code + step) - decoder(code - step)) / 2e-6
        torch.testing.assert_close(jacobian[:, :, column], numeric.detach(), rtol=0, atol=1e-8)


def test_implicit_is_where_unrolled_converges_to():
    """For an image in the range the second term of the implicit derivative is zero, and the descent has the rest."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = nn.Sequential(nn.Linear(3, 6), nn.Sigmoid()).double().requires_grad_(False)
    decoder[0].weight.data = 2 * torch.eye(6, 3).double()
    code = torch.tensor([[0.5, -0.3, 0.8]], dtype=torch.float64)
    x = decoder(code).requires_grad_()
    upstream = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    unrolled = Descent(decoder, DescentConfig(steps=400, lr=2.0)).run(x, torch.zeros_like(code))
    stand_in = pseudo_inverse(decoder, code, x, damping=1e-12)
    (unrolled_gradient,), (implicit_gradient,) = (
        torch.autograd.grad(values, x, upstream) for values in (unrolled, stand_in)
    )
    torch.testing.assert_close(unrolled_gradient, implicit_gradient, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["latent-ae-projection", "latent-vae-projection"])
def test_on_trained_networks_all_point_into_the_same_half_space(trained, digits, name):
    """They differ, but each is a way to the same code: their cosines with the true gradient are positive on average."""
    front_end, x = trained(name).front_end, digits["test"].images[:20]
    with torch.no_grad():
        codes = front_end(x)
    gradients = {}
    for surrogate in front_end.surrogates:
        front_end.select_surrogate(surrogate)
        assert torch.equal(front_end(x.clone().requires_grad_()).detach(), codes), "the forward pass is the same"
        gradients[surrogate.name] = pulled(front_end, x, upstream_for(20)).flatten(1)
        assert (gradients[surrogate.name].norm(dim=1) > 0).all()
    front_end.select_surrogate(None)
    for surrogate in ("implicit", "encoder"):
        cosine = torch.cosine_similarity(gradients["unrolled"], gradients[surrogate])
        assert 0.05 < cosine.mean() < 0.999, surrogate
