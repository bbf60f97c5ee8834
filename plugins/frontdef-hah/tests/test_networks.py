"""Tails and baselines: the same network, with and without the front end."""

from __future__ import annotations

import pytest
import torch
from frontdef_hah.blocks import Block
from frontdef_hah.networks import hah_tail, layout_of, vgg16, vgg_narrow, vgg_small
from torch import nn

from frontdef.errors import ConfigError


def widths(network):
    return [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(
    ("image_shape", "size", "baseline", "filters"),
    [
        ((3, 32, 32), "auto", vgg16, [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6),
        ((3, 32, 32), "narrow", vgg_narrow, [20] * 2 + [40] * 2 + [80] * 3 + [160] * 6),
        ((1, 28, 28), "auto", vgg_small, [16, 32, 64, 64]),
    ],
)
def test_front_end_and_tail_have_the_baselines_filters(make, image_shape, size, baseline, filters):
    front_end = make(image_shape, size=size)
    with torch.no_grad():
        shape = tuple(front_end(torch.rand(1, *image_shape)).shape[1:])
    tail = hah_tail(shape, 10)
    assert widths(front_end) + widths(tail) == widths(baseline(image_shape, 10)) == filters
    assert (
        tail.eval()(torch.rand(2, *shape)).shape == baseline(image_shape, 10).eval()(torch.rand(2, *image_shape)).shape
    )


def test_poolings_are_in_the_same_places(make):
    """With all blocks plain and the baseline's weights, front end and tail compute what the baseline computes."""
    torch.manual_seed(0)
    baseline = vgg_small((1, 12, 12), 10).eval()
    front_end = make(hah_blocks=0, standardize=False).eval()
    tail = hah_tail((64, 6, 6), 10).eval()
    own = [module for module in (*front_end.blocks, *tail) if isinstance(module, Block)]
    theirs = [module for module in baseline if isinstance(module, Block)]
    for block, reference in zip(own, theirs, strict=True):
        block.load_state_dict(reference.state_dict())
    tail[-1].load_state_dict(baseline[-1].state_dict())
    x = torch.rand(3, 1, 12, 12)
    torch.testing.assert_close(tail(front_end(x)), baseline(x))


def test_plain_blocks_normalize_after_relu_and_implicitly():
    block = next(module for module in vgg_small((1, 12, 12), 10) if isinstance(module, Block))
    assert block.conv.implicit
    assert block.threshold is None
    assert isinstance(block.normalize, nn.BatchNorm2d)
    x = torch.rand(2, 1, 12, 12)
    y = torch.relu(block.conv(x))
    torch.testing.assert_close(block.eval()(x), y / (1 + 1e-5) ** 0.5)


def test_one_linear_layer_of_512_at_the_end():
    linear = [module for module in vgg16((3, 32, 32), 10).modules() if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(512, 10)]


def test_shapes_that_fit_nothing():
    with pytest.raises(ConfigError, match=r"64, 80 or 256 channels.*'vgg-small'"):
        hah_tail((1, 28, 28), 10)
    with pytest.raises(ConfigError, match="at least 1 channel and 32x32"):
        vgg16((1, 28, 28), 10)


def test_auto_takes_the_papers_network_from_32_on():
    assert len(layout_of("auto", (3, 32, 32)).front) == 8
    assert len(layout_of("auto", (1, 28, 28)).front) == 4
    assert layout_of("small", (3, 32, 32)) == layout_of("auto", (1, 28, 28))


@pytest.mark.parametrize(
    ("network", "image_shape", "between"), [(vgg16, (3, 32, 32), [2, 2, 3, 3, 3]), (vgg_small, (1, 28, 28), [2, 1, 1])]
)
def test_blocks_between_poolings(network, image_shape, between):
    kinds = "".join({Block: "b", nn.MaxPool2d: "p"}.get(type(module), "") for module in network(image_shape, 10))
    assert [len(run) for run in kinds.split("p")] == [*between, 0]
