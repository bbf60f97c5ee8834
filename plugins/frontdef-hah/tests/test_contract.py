"""The front end keeps the contract: sample by sample, pure, scale-invariant, and of the chapter's shape."""

from __future__ import annotations

import pytest
import torch
from torch import nn


def test_the_papers_layout(make):
    front_end = make((3, 32, 32))
    widths = [(block.conv.in_channels, block.conv.out_channels) for block in front_end.blocks]
    assert widths == [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
    assert front_end.pooled == (False, True, False, True, False, False)
    assert all(block.conv.bias is None for block in front_end.blocks)
    assert front_end(torch.rand(1, 3, 32, 32)).shape == (1, 256, 8, 8)


def test_the_small_layout(make):
    assert make((1, 28, 28))(torch.rand(2, 1, 28, 28)).shape == (2, 64, 14, 14)
    assert make((1, 32, 32), size="small")(torch.rand(2, 1, 32, 32)).shape == (2, 64, 16, 16)


@pytest.mark.parametrize(
    "config",
    [{}, {"field": "max3", "keep": "above"}, {"threshold": "mean"}, {"normalization": "batch"}, {"hah_blocks": 2}],
    ids=str,
)
def test_a_batch_is_its_samples(make, images, config):
    front_end = make(**config).eval()
    x = images(16, 1, 12, 12)
    with torch.no_grad():
        together = front_end(x)
        alone = torch.cat([front_end(x[index : index + 1]) for index in range(len(x))])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)


def test_hah_blocks_do_not_know_whether_they_are_trained(make, images):
    """No batch statistics: in training mode, too, an image's output does not depend on the others."""
    front_end = make().train()
    x = images(4, 1, 12, 12)
    torch.testing.assert_close(front_end(x)[:1], front_end(x[:1]), rtol=0, atol=1e-6)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in front_end.modules())


def test_the_ablations_change_what_they_name(make):
    def kinds(**config):
        return [type(block.normalize).__name__ for block in make(**config).blocks]

    assert kinds() == ["DivisiveNormalization"] * 3
    assert kinds(normalization="batch") == ["BatchNorm2d"] * 3
    assert kinds(hah_blocks=1) == ["DivisiveNormalization", "BatchNorm2d", "BatchNorm2d"]
    assert [block.threshold is None for block in make(hah_blocks=1).blocks] == [False, True, True]
    assert all(block.threshold is None for block in make(threshold="none").blocks)
    assert all(block.threshold is not None for block in make(normalization="batch").blocks)
    assert not any(block.conv.implicit for block in make(implicit=False).blocks)


def test_a_brighter_image_gives_the_same_output(make, images):
    front_end = make(standardize=False)
    x = images(3, 1, 12, 12) * 0.1
    torch.testing.assert_close(front_end(8 * x), front_end(x), rtol=1e-4, atol=1e-5)


def test_a_fifth_of_each_channel_survives(make, images):
    front_end = make()
    o = front_end.block(0)(images(8, 1, 12, 12) - 0.5)
    assert (o > 0).sum((2, 3)).max() <= 144 - 116 + 1  # τ is the ⌈0.8·144⌉ = 116th
    assert o.min() == 0


def test_fit_standardizes_the_images(make, images):
    x = images(200, 1, 12, 12) * 0.5 + 0.25
    front_end = make()
    front_end.fit(x)
    scaled = (x - front_end.mean) / front_end.std
    assert scaled.mean().item() == pytest.approx(0, abs=1e-5)
    assert scaled.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    as_it_is = make(standardize=False)
    as_it_is.fit(x)
    assert as_it_is.mean.item() == 0
    assert as_it_is.std.item() == 1


def test_surrogates(make, images):
    x = images(4, 1, 12, 12)
    upstream = torch.randn(4, 64, 6, 6, generator=torch.Generator().manual_seed(0))
    gradients, outputs = {}, {}
    for name in ("true", "identity"):
        inputs = x.clone().requires_grad_()
        outputs[name] = make(surrogate=name)(inputs)
        (gradients[name],) = torch.autograd.grad((outputs[name] * upstream).sum(), inputs)
    assert torch.equal(outputs["true"], outputs["identity"])
    assert (gradients["true"] - gradients["identity"]).abs().max() > 1e-3
    assert all(gradient.isfinite().all() for gradient in gradients.values())


def test_the_true_gradient_is_what_finite_differences_give(make):
    front_end = make(seed=3).double()
    x = torch.rand(1, 1, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    weights = torch.randn(1, 64, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def value(images):
        return (front_end.forward(images) * weights).sum()

    (gradient,) = torch.autograd.grad(value(x), x)
    direction = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    h = 1e-8
    with torch.no_grad():
        slope = (value(x + h * direction) - value(x - h * direction)) / (2 * h)
    assert slope.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-4)


def test_figures_are_pictures(make, images):
    x = images(2, 3, 12, 12)
    figures = make((3, 12, 12)).figures(x)
    assert list(figures) == [f"mean activation of block {k}" for k in (1, 2, 3)]
    for picture in figures.values():
        assert picture.shape == x.shape
        assert picture.min() >= 0
        assert picture.amax((1, 2, 3)).tolist() == [1, 1]
