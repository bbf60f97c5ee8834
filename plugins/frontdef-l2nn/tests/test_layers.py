"""Layers: values by hand, gains by brute force, gradients where a root has none."""

from __future__ import annotations

import math

import pytest
import torch
from frontdef_l2nn.flow import Flow
from frontdef_l2nn.layers import Conv2d, Linear, NormPool2d, Residual, Sequential, TwoSidedReLU, as_bounded
from torch import nn


def gain(layer, size):
    return layer.flow(Flow.of_images(), "", size)[0].lipschitz


def test_two_sided_relu_by_hand():
    x = torch.tensor([[3.0, -2.0, 0.0]])
    assert TwoSidedReLU()(x).tolist() == [[3, 0, 0, 0, 2, 0]]
    assert TwoSidedReLU()(torch.zeros(2, 3, 4, 4)).shape == (2, 6, 4, 4)


def test_two_sided_relu_keeps_norms_and_shrinks_distances():
    x, second = torch.randn(2, 100, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(TwoSidedReLU()(x).norm(dim=1), x.norm(dim=1))
    assert ((TwoSidedReLU()(x) - TwoSidedReLU()(second)).norm(dim=1) <= (x - second).norm(dim=1) + 1e-6).all()


def test_norm_pooling_by_hand():
    x = torch.tensor([[3.0, 4.0, 1.0], [0.0, 0.0, 2.0], [9.0, 9.0, 9.0]]).view(1, 1, 3, 3)
    assert NormPool2d(2)(x).tolist() == [[[[5.0]]]]  # the third row and column fill no window
    # Windows of 2 at a distance of 1: a pixel is in up to 4 of them, so the input is divided by 2.
    overlapping = NormPool2d(2, 1)(x)[0, 0]
    torch.testing.assert_close(overlapping[0], torch.tensor([5.0, math.sqrt(16 + 1 + 4)]) / 2)


def test_norm_pooling_does_not_preserve_distances():
    """The poster says that it does. (3,4) and (4,3) are √2 apart and have the same norm."""
    x = torch.tensor([[3.0, 4.0, 0.0, 0.0], [4.0, 3.0, 0.0, 0.0]]).view(2, 1, 2, 2)
    pooled = NormPool2d(2)(x)
    assert (x[0] - x[1]).norm() == pytest.approx(math.sqrt(2))
    assert pooled[0] == pooled[1] == 5


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2), (2, 1), (3, 1), (1, 1)])
def test_norm_pooling_is_nonexpansive(window, stride, images):
    pool, x = NormPool2d(window, stride), images(64, 2, 7, 7)
    for second in (images(65, 2, 7, 7)[1:], x + 0.01 * images(66, 2, 7, 7)[2:], torch.zeros_like(x)):
        ratio = (pool(x) - pool(second)).flatten(1).norm(dim=1) / (x - second).flatten(1).norm(dim=1)
        assert ratio.max() <= 1 + 1e-5
    pixel = torch.zeros(1, 1, 7, 7)
    pixel[..., window - 1, window - 1] = 1  # it is in as many windows as any
    assert pool(pixel).norm() == pytest.approx(1), "a smaller divisor would do"


def test_the_gradient_at_zero_is_zero_and_elsewhere_true(images):
    pool = NormPool2d(2)
    x = images(3, 2, 4, 4, dtype=torch.float64)
    x[0] = 0
    x[1, :, :2, :2] = 0
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(pool(x).sum(), x)
    assert gradient.isfinite().all()
    assert (gradient[0] == 0).all()
    assert (gradient[1, :, :2, :2] == 0).all()
    torch.testing.assert_close(gradient[2, 0, 0, 0], x[2, 0, 0, 0] / x[2, 0, :2, :2].norm())
    assert torch.autograd.gradcheck(pool, x[2:].detach().requires_grad_())


@pytest.mark.parametrize("divide", [False, True])
def test_divide_before_convolution_divides_the_input_by_the_kernel(divide, images):
    conv = Conv2d(1, 2, 5, divide_input=divide).requires_grad_(False)
    x = images(2, 1, 9, 9)
    plain = nn.functional.conv2d(x / 5 if divide else x, conv.weight, conv.bias, padding=2)
    torch.testing.assert_close(conv(x), plain)
    assert Conv2d(1, 2, 6, stride=2).input_divisor == 3


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: Linear(12, 7), (12,)),
        (lambda: Conv2d(2, 3, 3, divide_input=False), (2, 6, 6)),
        (lambda: Conv2d(2, 3, 5, divide_input=True), (2, 12, 12)),
        (lambda: Conv2d(2, 3, 3, stride=2), (2, 6, 6)),
        (lambda: Linear(12, 7, "divide"), (12,)),
        (lambda: Conv2d(2, 3, 3, constraint="divide"), (2, 6, 6)),
    ],
)
def test_a_layers_gain_is_that_of_its_matrix(layer, shape, reference):
    torch.manual_seed(0)
    built = layer().requires_grad_(False)
    built.weight.mul_(4)
    bound = gain(built, shape[1:] or (1, 1))
    true = reference.norm(reference.jacobian(built, shape))
    assert true <= bound <= 1.2 * true


def test_a_bias_moves_every_place_it_is_added_to():
    """b = (3 4): 5 for a vector, 5·√(6·6) = 30 for two channels of 6x6."""
    for layer, size, offset in [
        (Linear(4, 2), (1, 1), 5),
        (Conv2d(1, 2, 3), (6, 6), 30),
        (Conv2d(1, 2, 3), (2, 8), 20),
    ]:
        layer.bias.data = torch.tensor([3.0, 4.0])
        flow, _ = layer.flow(Flow.of_images(), "", size)
        assert flow.reach[1].item() == pytest.approx(offset, rel=1e-5)
        assert flow.reach[0].item() == flow.lipschitz
        assert flow.error[1].item() > 0


@pytest.mark.parametrize(
    "layer", [lambda: Linear(12, 7, "divide"), lambda: Conv2d(2, 3, 3, constraint="divide")], ids=["linear", "conv"]
)
def test_division_keeps_any_weight_nonexpansive_and_can_be_carried_out_once(layer, images):
    torch.manual_seed(0)
    built = layer().requires_grad_(False)
    built.weight.mul_(100)
    assert gain(built, (6, 6)) <= 1 + 2e-5
    x = images(2, 12) if isinstance(built, Linear) else images(2, 2, 6, 6)
    before, stored = built(x), built.weight.clone()
    built.settle()
    assert not torch.equal(built.weight, stored)
    torch.testing.assert_close(built(x), before)
    built.eval()
    torch.testing.assert_close(built(x), before)
    assert built.used_weight() is built.weight
    built.train()
    assert built.used_weight() is not built.weight


def test_division_lets_gradients_through():
    """d(w/|w|) is orthogonal to w: a larger weight changes nothing."""
    layer = Linear(5, 3, "divide")
    layer(torch.ones(1, 5)).sum().backward()
    assert layer.weight.grad.abs().max() > 0
    assert (layer.weight.grad * layer.weight).sum().abs() < 1e-6


def identity(channels):
    conv = Conv2d(channels, channels, 1).requires_grad_(False)
    conv.bias.zero_()
    conv.weight.copy_(torch.eye(channels)[..., None, None])
    return conv


@pytest.mark.parametrize(("angle", "constraint"), [(0.3, "regularize"), (-0.9, "regularize"), (0.3, "divide")])
def test_a_residual_block_gains_what_both_ways_add_up_to(angle, constraint, reference):
    """With f = ±identity the bound |t| + √(1-t²) is attained, or 1 where the sum is divided by it."""
    block = Residual(Sequential(identity(2)), constraint).requires_grad_(False)
    block.angle.fill_(angle)
    if angle < 0:
        block.branch[0].weight.neg_()
    expected = 1.0 if constraint == "divide" else abs(math.sin(angle)) + abs(math.cos(angle))
    bound = gain(block, (3, 3))
    assert bound == pytest.approx(expected, rel=1e-5)
    true = reference.norm(reference.jacobian(block, (2, 3, 3)))
    assert true <= bound * (1 + 1e-6)
    assert true == pytest.approx(expected, rel=1e-5)


def test_the_published_bound_of_a_residual_block_is_exceeded(reference):
    """t²·a + (1-t²)·b bounds the squared gain by 1 for a = b = 1; at t = √½ the squared gain is 2."""
    block = Residual(Sequential(identity(1))).requires_grad_(False)
    assert reference.norm(reference.jacobian(block, (1, 2, 2))) ** 2 == pytest.approx(2)


def test_nothing_is_proved_of_other_layers():
    with pytest.raises(TypeError, match="nothing is proved of a layer GELU"):
        as_bounded(nn.GELU())
