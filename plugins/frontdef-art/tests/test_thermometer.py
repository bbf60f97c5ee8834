"""The two surrogates of the thermometer code."""

from __future__ import annotations

import numpy as np
import torch
from art.defences.preprocessor import ThermometerEncoding
from frontdef_art.thermometer import ramps, sigmoids


def _planes(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(2, 3, 5, 4, generator=generator)
    x[0, 0, 0, 0] = 0  # black: no plane has a gradient in ART's estimate
    return x, torch.randn(2, 12, 5, 4, generator=generator)


def test_ramp_is_the_gradient_that_art_estimates(build):
    x, upstream = _planes()
    inputs = x.clone().requires_grad_()
    (ours,) = torch.autograd.grad(build("art-thermometer", "ramp", num_space=4)(inputs), inputs, upstream)
    art = ThermometerEncoding(clip_values=(0, 1), num_space=4, channels_first=True)
    np.testing.assert_allclose(ours.numpy(), art.estimate_gradient(x.numpy(), upstream.numpy()), rtol=1e-6, atol=1e-7)
    assert ours[0, 0, 0, 0] == 0


def test_smooth_is_the_derivative_of_its_sigmoids(build):
    x, upstream = _planes(1)
    inputs = x.clone().requires_grad_()
    (ours,) = torch.autograd.grad(build("art-thermometer", "smooth:3", num_space=4)(inputs), inputs, upstream)
    values, slope = x.numpy().astype(np.float64), np.zeros(x.shape)
    for channel in range(3):
        for k in range(1, 4):  # plane 0 is constant
            s = 1 / (1 + np.exp(-12 * (values[:, channel] - k / 4)))
            slope[:, channel] += upstream.numpy()[:, 4 * channel + k] * 12 * s * (1 - s)
    np.testing.assert_allclose(ours.numpy(), slope, rtol=1e-4, atol=1e-5)


def test_a_steep_smooth_code_is_the_code(build):
    x, _ = _planes(2)
    steep = sigmoids(x.double(), 4, 1e5)
    torch.testing.assert_close(steep.float(), build("art-thermometer", num_space=4)(x), atol=1e-3, rtol=0)


def test_planes_of_the_ramp_are_where_the_planes_of_the_code_are(build):
    x, _ = _planes(3)
    code = build("art-thermometer", num_space=4)(x)
    lit = ramps(x, 4) > 0
    lit[0, 0, 0, 0] = True
    code_of_positive = code.bool() & (x > 0).repeat_interleave(4, 1)
    assert torch.equal(lit & (x > 0).repeat_interleave(4, 1), code_of_positive)


def test_black_pixels_have_a_gradient_only_with_the_smooth_surrogate(build, gray):
    black = gray == 0
    assert black.float().mean() > 0.2
    for surrogate, reaches in (("smooth", True), ("ramp", False)):
        x = gray.clone().requires_grad_()
        output = build("art-thermometer", surrogate)(x)
        (grad,) = torch.autograd.grad((output * torch.arange(10).view(1, 10, 1, 1)).sum(), x)
        assert bool((grad[black] != 0).all()) is reaches
        assert bool((grad[black] != 0).any()) is reaches


def test_figure_shows_the_quantized_image(build, gray):
    (figure,) = build("art-thermometer", num_space=4).figures(gray).values()
    assert figure.shape == gray.shape
    assert set(figure.unique().tolist()) == {0.25, 0.5, 0.75, 1.0}
