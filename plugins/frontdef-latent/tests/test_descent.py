"""The descent against numbers worked out by hand, and its derivative against autograd on the whole graph."""

from __future__ import annotations

import pytest
import torch
from frontdef_latent.config import DescentConfig
from frontdef_latent.descent import Descent
from torch import nn


def linear(slope, bias):
    decoder = nn.Linear(1, 1)
    decoder.weight.data.fill_(slope)
    decoder.bias.data.fill_(bias)
    return decoder


def small_decoder(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(0.1), nn.Linear(5, 6), nn.Sigmoid()).double()


def reference(decoder, x, start, config):
    """The same descent with torch's own graph of all steps, and Adam as its paper writes it."""
    z, m, v = start, 0, 0
    for t in range(1, config.steps + 1):
        (g,) = torch.autograd.grad(0.5 * (decoder(z) - x).square().sum(), z, create_graph=True)
        if config.optimizer == "adam":
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            g = (m / (1 - 0.9**t)) / (v / (1 - 0.999**t) + 1e-16).sqrt()
        z = z - config.lr * g
    return z


def test_three_steps_by_hand():
    """D(z) = 2z + ½, x = 1.5, z₀ = 0, η = 0.1: z moves by −0.2·(2z − 1), to 0.2, 0.32, 0.392.

    dz₃/dx = 0.2·(1 + 0.6 + 0.36), each step keeping 1 − 0.2·2 = 0.6 of the last; dz₃/dz₀ = 0.6³.
    """
    x, start = torch.tensor([[1.5]], requires_grad=True), torch.tensor([[0.0]], requires_grad=True)
    for steps, expected in ((1, 0.2), (2, 0.32), (3, 0.392)):
        code = Descent(linear(2.0, 0.5), DescentConfig(steps=steps, lr=0.1)).run(x, start)
        assert code.item() == pytest.approx(expected, abs=1e-6)
    to_x, to_start = torch.autograd.grad(code, (x, start))
    assert to_x.item() == pytest.approx(0.392, abs=1e-6)
    assert to_start.item() == pytest.approx(0.216, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["gradient", "adam"])
def test_equals_the_whole_graph(optimizer):
    config = DescentConfig(steps=40, lr=0.3, optimizer=optimizer)
    decoder = small_decoder()
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(4, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    start = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    inputs = (x, start, *decoder.parameters())
    own = Descent(decoder, config).run(x, start)
    expected = reference(decoder, x, start, config)
    torch.testing.assert_close(own, expected, rtol=0, atol=1e-10)
    for gradient, wanted in zip(
        torch.autograd.grad(own, inputs, upstream), torch.autograd.grad(expected, inputs, upstream), strict=True
    ):
        assert wanted.abs().max() > 1e-6
        torch.testing.assert_close(gradient, wanted, rtol=1e-7, atol=1e-9)


def test_adam_is_torchs_adam():
    decoder, x = small_decoder(), torch.rand(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    z = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([z], lr=0.1)
    for _ in range(25):
        optimizer.zero_grad()
        (0.5 * (decoder(z) - x).square().sum()).backward(inputs=[z])
        optimizer.step()
    own = Descent(decoder, DescentConfig(steps=25, lr=0.1, optimizer="adam")).run(x, torch.zeros_like(z))
    torch.testing.assert_close(own, z, rtol=0, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["gradient", "adam"])
def test_passes_gradcheck(optimizer):
    descent = Descent(small_decoder().requires_grad_(False), DescentConfig(steps=15, lr=0.2, optimizer=optimizer))
    x = torch.rand(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    start = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    assert torch.autograd.gradcheck(descent.run, (x, start), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["gradient", "adam"])
def test_a_row_descends_as_it_would_alone(optimizer):
    """Bit for bit in float32, where rounding over 100 steps would show; and a damaged row stays alone, too."""
    decoder = small_decoder().float()
    descent = Descent(decoder, DescentConfig(steps=100, optimizer=optimizer))
    x = torch.rand(9, 6, generator=torch.Generator().manual_seed(0))
    x[4] = torch.nan
    start = torch.zeros(9, 3)
    together = descent.run(x, start)
    for row in range(9):
        torch.testing.assert_close(
            descent.run(x[[row]], start[[row]])[0], together[row], rtol=0, atol=0, equal_nan=True
        )
    assert together.isnan().any(1).tolist() == [row == 4 for row in range(9)]


def test_it_finds_the_code_of_an_image_in_the_range():
    """Through orthogonal columns of length 2 and a sigmoid, which is invertible where the code is small."""
    decoder = nn.Sequential(nn.Linear(3, 6), nn.Sigmoid()).double()
    decoder[0].weight.data = 2 * torch.eye(6, 3).double()
    code = torch.tensor([[0.5, -0.3, 0.8], [-0.2, 0.6, 0.1]], dtype=torch.float64)
    x = decoder(code).detach()
    recovered = Descent(decoder, DescentConfig(steps=200, lr=2.0)).run(x, torch.zeros_like(code))
    torch.testing.assert_close(recovered, code, rtol=0, atol=1e-6)


def test_only_codes_are_kept_for_the_backward_pass():
    """Graphs of all steps would keep activations: here T codes, whatever the size of the images."""
    decoder = nn.Sequential(nn.Linear(3, 4000), nn.Sigmoid())
    x = torch.rand(2, 4000, requires_grad=True)
    code = Descent(decoder, DescentConfig(steps=50)).run(x, torch.zeros(2, 3))
    assert [tuple(part.shape) for state in code.grad_fn.states for part in state] == [(2, 3)] * 50
    assert all(part.grad_fn is None for state in code.grad_fn.states for part in state)


def test_without_a_gradient_nothing_is_kept():
    decoder = small_decoder().requires_grad_(False)
    code = Descent(decoder, DescentConfig(steps=5)).run(
        torch.rand(2, 6, dtype=torch.float64), torch.zeros(2, 3).double()
    )
    assert code.grad_fn is None
