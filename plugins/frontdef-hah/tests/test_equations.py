"""Equations 5.1 to 5.5 on numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from frontdef_hah.blocks import Block, DivisiveNormalization, ImplicitConv2d, Threshold
from frontdef_hah.objective import hah_objective, n_top
from torch import nn

from frontdef.bpda import IDENTITY


def conv(weights, implicit=True):
    layer = ImplicitConv2d(1, len(weights), implicit)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weights, dtype=torch.float32)[:, None])
    return layer


def test_equation_5_1_a_filter_counts_as_if_of_unit_length():
    """Center 3 and left neighbor 4 (norm 5), and minus its double; image row 1 2: 3·1/5, (3·2 + 4·1)/5."""
    filters = [[[0, 0, 0], [4, 3, 0], [0, 0, 0]], [[0, 0, 0], [-8, -6, 0], [0, 0, 0]]]
    x = torch.tensor([[[[1.0, 2.0]]]])
    expected = torch.tensor([[[[0.6, 2.0]], [[-0.6, -2.0]]]])
    torch.testing.assert_close(conv(filters)(x), expected)
    torch.testing.assert_close(conv(filters, implicit=False)(x), expected * torch.tensor([5.0, 10.0]).view(2, 1, 1))
    block = Block(1, 2, nn.Identity())
    block.conv = conv(filters)
    torch.testing.assert_close(block.activations(x), expected.clamp_min(0))


def test_equation_5_1_has_the_gradient_through_the_norm():
    """d/dw ⟨w,x⟩/‖w‖ = x/‖w‖ − w⟨w,x⟩/‖w‖³: for w = (4,3), x = (1,2): (1/5 − 4·10/125, 2/5 − 3·10/125)."""
    layer = conv([[[0, 0, 0], [4, 3, 0], [0, 0, 0]]])
    layer(torch.tensor([[[[1.0, 2.0]]]]))[0, 0, 0, 1].backward()
    torch.testing.assert_close(layer.weight.grad[0, 0, 1, :2], torch.tensor([0.2 - 0.32, 0.4 - 0.24]))


def test_equation_5_2_by_hand():
    """y = (1,3) and (0,2) at two places: M = 2 and 1, M_max = 2; σ = 0.5 divides by 2 and by 1.5."""
    y = torch.tensor([[[[1.0, 0.0]], [[3.0, 2.0]]]])
    expected = torch.tensor([[[[1 / 2, 0.0]], [[3 / 2, 2 / 1.5]]]])
    torch.testing.assert_close(DivisiveNormalization(0.5, "mean")(y), expected)
    plain = torch.tensor([[[[1 / 2, 0.0]], [[3 / 2, 2.0]]]])
    torch.testing.assert_close(DivisiveNormalization(0.0, "mean")(y), plain)


def test_the_codes_field_takes_the_maximum_of_the_neighborhood_first():
    """3x3 maxima over both places: (1,1) and (3,3), so M = 2 at both, and everything is divided by 2."""
    y = torch.tensor([[[[1.0, 0.0]], [[3.0, 2.0]]]])
    torch.testing.assert_close(DivisiveNormalization(0.5, "max3")(y), y / 2)
    far = torch.tensor([[[[4.0, 0.0, 0.0, 2.0]]]])
    torch.testing.assert_close(
        DivisiveNormalization(0.0, "max3")(far), torch.tensor([[[[1.0, 0.0, 0.0, 1.0]]]]), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("field", ["mean", "max3"])
def test_the_output_of_divisive_normalization_does_not_depend_on_scale(field):
    y = torch.rand(2, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    normalize = DivisiveNormalization(0.1, field)
    torch.testing.assert_close(normalize(8 * y), normalize(y), rtol=1e-5, atol=1e-6)


def test_no_activation_at_all_gives_zeros():
    y = torch.zeros(1, 3, 2, 2, requires_grad=True)
    z = DivisiveNormalization(0.1, "mean")(y)
    z.sum().backward()
    assert torch.equal(z, torch.zeros_like(z))
    assert y.grad.isfinite().all()


@pytest.mark.parametrize(
    ("quantile", "strict", "survivors"),
    [
        (0.8, False, [8, 9, 10]),  # τ is the 8th of 10 values, and stays
        (0.8, True, [9, 10]),  # τ is the 8th of 10 values, and goes
        (0.75, False, [8, 9, 10]),  # the ⌈7.5⌉ = 8th
        (0.75, True, [8, 9, 10]),  # the ⌊7.5⌋ = 7th, and goes
        (0.05, True, list(range(1, 11))),  # the 0th: nothing is below
        (None, False, [6, 7, 8, 9, 10]),  # the mean is 5.5
    ],
)
def test_equation_5_3_by_hand(quantile, strict, survivors):
    values = [3, 10, 1, 7, 2, 9, 4, 8, 6, 5]
    z = torch.tensor(values, dtype=torch.float32).view(1, 1, 2, 5)
    expected = torch.tensor([v if v in survivors else 0 for v in values], dtype=torch.float32).view_as(z)
    assert torch.equal(Threshold(quantile, strict)(z), expected)


@pytest.mark.parametrize(("side", "kept"), [(32, 205), (16, 52), (8, 13)])
@pytest.mark.parametrize("strict", [False, True])
def test_a_fifth_survives_at_the_papers_sizes_whichever_way_ties_go(side, kept, strict):
    z = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(side)) + 0.1
    assert (Threshold(0.8, strict)(z) > 0).sum((2, 3)).tolist() == [[kept] * 3] * 2


def test_each_image_and_channel_has_its_own_threshold():
    z = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[10.0, 20.0], [30.0, 40.0]]])
    both = torch.stack([z, 7 * z])
    alone = torch.stack(
        [torch.stack([Threshold(0.5)(channel[None, None])[0, 0] for channel in image]) for image in both]
    )
    assert torch.equal(Threshold(0.5)(both), alone)
    assert torch.equal(Threshold(0.5)(both)[0, 0], torch.tensor([[0.0, 2.0], [3.0, 4.0]]))


def test_the_gradient_goes_through_the_survivors_or_through_all():
    z = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    weights = torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]])
    (true,) = torch.autograd.grad((weights * Threshold(0.75)(z)).sum(), z)
    (straight,) = torch.autograd.grad((weights * Threshold(0.75)(z, IDENTITY)).sum(), z)
    assert true.flatten().tolist() == [0, 0, 100, 1000]
    assert straight.flatten().tolist() == [1, 10, 100, 1000]


def test_equation_5_4_by_hand():
    """Five channels at two places, K = 2, λ = 0.5: (5+4)/2 − 0.5·(3+2+1)/3 = 3.5, and (8+0)/2 − 0 = 4."""
    y = torch.tensor([[5.0, 8.0], [1.0, 0.0], [4.0, 0.0], [2.0, 0.0], [3.0, 0.0]]).view(1, 5, 1, 2)
    assert hah_objective(y, share=0.4, anti_hebbian=0.5).item() == pytest.approx((3.5 + 4) / 2)
    assert hah_objective(torch.cat([y, 0 * y]), 0.4, 0.5).item() == pytest.approx((3.5 + 4) / 4)
    assert hah_objective(y, share=1.0, anti_hebbian=0.5).item() == pytest.approx((15 / 5 + 8 / 5) / 2)


def test_equation_5_4s_gradient_raises_the_top_and_lowers_the_rest():
    y = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0]).view(1, 5, 1, 1).requires_grad_()
    hah_objective(y, share=0.4, anti_hebbian=0.3).backward()
    torch.testing.assert_close(y.grad.flatten(), torch.tensor([0.5, -0.1, 0.5, -0.1, -0.1]))


@pytest.mark.parametrize(
    ("n", "share", "k"),
    [(64, 0.1, 7), (128, 0.1, 13), (256, 0.1, 26), (10, 0.1, 1), (3, 0.1, 1), (100, 0.07, 7), (5, 1.0, 5)],
)
def test_k_is_a_share_rounded_up(n, share, k):
    assert n_top(n, share) == k


def test_equation_5_5_is_the_weighted_sum_over_the_blocks(make, images):
    """Each block sees what the block before puts out; the signs are those of a loss."""
    alphas = (0.5, 0.25, 0.125)
    front_end = make(alphas=alphas, anti_hebbian=0.7, top_share=0.2, standardize=False)
    x = images(3, 1, 12, 12)
    expected = 0.0
    h = x
    front_end.requires_grad_(False)
    for index, alpha in enumerate(alphas):
        block = front_end.block(index)
        y = torch.relu(
            nn.functional.conv2d(h, block.conv.weight, padding=1)
            / block.conv.weight.square().sum((1, 2, 3)).sqrt().view(-1, 1, 1)
        )
        ordered = y.sort(dim=1, descending=True).values
        k = math.ceil(0.2 * y.shape[1])
        expected -= alpha * float((ordered[:, :k].mean(1) - 0.7 * ordered[:, k:].mean(1)).mean())
        h = block(h)
        h = nn.functional.max_pool2d(h, 2) if index == 1 else h
    assert front_end.penalties()["hah"](x, nn.Identity()).item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(h, front_end(x))
