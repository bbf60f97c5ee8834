"""Blocks: exact forward values, and gradients equal to those of the named surrogate, worked out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdef import bpda
from frontdef.errors import ConfigError, UnknownNameError


def gradient(function, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def test_quantize_rounds_to_the_nearest_level():
    x = torch.tensor([0.0, 0.16, 0.17, 0.5, 0.83, 0.84, 1.0])
    expected = torch.tensor([0.0, 0.0, 1 / 3, 2 / 3, 2 / 3, 1.0, 1.0])
    assert torch.equal(bpda.quantize(x, 4), expected)


@given(st.integers(2, 33), st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_quantize_is_idempotent_and_within_half_a_step(levels, values):
    x = torch.tensor(values)
    once = bpda.quantize(x, levels)
    assert torch.equal(bpda.quantize(once, levels), once)
    assert (once - x).abs().max() <= 0.5 / (levels - 1) + 1e-6


def test_identity_surrogate_passes_the_gradient_unchanged():
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(gradient(lambda v: bpda.quantize(v, 2) * 3, x), torch.full_like(x, 3))


def test_smooth_surrogate_is_the_derivative_of_the_sum_of_sigmoids():
    x = torch.linspace(0, 1, 11, dtype=torch.float64)
    s = 7.0
    surrogate = bpda.select((bpda.SMOOTH,), f"smooth:{s}")
    slopes = gradient(lambda v: bpda.quantize(v, 3, surrogate), x)
    h = 1e-6

    def smooth(v):
        return sum(0.5 / (1 + torch.exp(-4 * s * (v - t))) for t in (0.25, 0.75))

    expected = (smooth(x + h) - smooth(x - h)) / (2 * h)
    assert torch.allclose(slopes, expected, atol=1e-7)


def test_smooth_slope_at_a_threshold_is_the_steepness_times_the_jump():
    surrogate = bpda.select((bpda.SMOOTH,), "smooth:1000")
    slope = gradient(lambda v: bpda.sign_dead_zone(v, 0.5, surrogate), torch.tensor([0.5]))
    assert slope.item() == pytest.approx(1000, rel=1e-5)


def test_linear_surrogate_is_a_ramp_at_each_threshold_and_flat_between():
    """Steepness 5: width 0.2 around each threshold; overlapping ramps add up; the jump of 2 doubles the slope."""
    surrogate = bpda.select((bpda.LINEAR,), "linear:5")
    x = torch.tensor([-0.61, -0.59, -0.5, -0.41, -0.39, 0.0, 0.45, 0.55, 0.65, 0.75])
    thresholds, values = torch.tensor([-0.5, 0.5, 0.6]), torch.tensor([-1.0, 0.0, 1.0, 3.0])
    slopes = gradient(lambda v: bpda.step_function(v, thresholds, values, surrogate), x)
    assert slopes.tolist() == [0, 5, 5, 5, 0, 0, 5, 15, 10, 0]
    assert bpda.step_function(x, thresholds, values, surrogate).tolist() == [-1, -1, 0, 0, 0, 0, 0, 1, 3, 3]


def test_none_gives_a_zero_gradient_that_still_exists():
    assert torch.equal(gradient(lambda v: bpda.quantize(v, 4, bpda.NONE), torch.rand(5)), torch.zeros(5))


def test_sign_with_dead_zone():
    x = torch.tensor([-0.6, -0.5, -0.1, 0.0, 0.49, 0.5, 0.6])
    assert bpda.sign_dead_zone(x, 0.5).tolist() == [-1, 0, 0, 0, 0, 1, 1]


def test_round_half_up():
    assert bpda.round_half_up(torch.tensor([0.49, 0.5, 1.5, -0.5]), 1.0).tolist() == [0, 1, 2, 0]


def test_top_k_keeps_the_largest_magnitudes_and_breaks_ties_by_index():
    x = torch.tensor([[3.0, -4.0, 1.0, 4.0], [1.0, 1.0, 1.0, 1.0]])
    assert bpda.top_k(x, 2).tolist() == [[0, -4, 0, 4], [1, 1, 0, 0]]


def test_top_k_surrogates():
    x = torch.tensor([[3.0, -4.0, 1.0, 5.0]])
    assert gradient(lambda v: bpda.top_k(v, 1), x).tolist() == [[0, 0, 0, 1]]
    assert gradient(lambda v: bpda.top_k(v, 1, bpda.IDENTITY), x).tolist() == [[1, 1, 1, 1]]
    top_u = bpda.Surrogate("top-u")
    assert gradient(lambda v: bpda.top_k(v, 1, top_u, backward_k=2), x).tolist() == [[0, 1, 0, 1]]
    with pytest.raises(ConfigError, match="backward_k"):
        bpda.top_k(x, 3, top_u, backward_k=2)


def test_dropout_draws_from_its_generator_and_has_the_true_gradient():
    x = torch.ones(1, 10_000)
    dropped = bpda.dropout(x, 0.75, torch.Generator().manual_seed(3))
    again = bpda.dropout(x, 0.75, torch.Generator().manual_seed(3))
    assert torch.equal(dropped, again)
    assert dropped.mean().item() == pytest.approx(1, abs=0.1)
    assert set(dropped.unique().tolist()) == {0.0, 4.0}
    g = gradient(lambda v: bpda.dropout(v, 0.75, torch.Generator().manual_seed(3)), x)
    assert torch.equal(g, dropped)


def test_replace_gradient_is_bitwise_exact_where_the_surrogate_is_huge():
    exact, x = torch.tensor([0.1]), torch.tensor([1e30], requires_grad=True)
    assert bpda.replace_gradient(exact, x).item() == exact.item()


def test_select():
    offered = (bpda.IDENTITY, bpda.SMOOTH)
    assert bpda.select(offered, None) is bpda.IDENTITY
    assert bpda.select(offered, "smooth:4").steepness == 4
    assert bpda.select(offered, bpda.select(offered, "smooth:4")).steepness == 4
    with pytest.raises(UnknownNameError, match="Did you mean 'smooth'"):
        bpda.select(offered, "smoth")
    with pytest.raises(ConfigError, match="steepness"):
        bpda.select(offered, "smooth:-1")
    with pytest.raises(ConfigError, match="no steepness"):
        bpda.select(offered, "identity:3")
